"""English support chats: (customer, assistant) turns by topic, and what fits any topic."""

from __future__ import annotations

Turn = tuple[str, str]

TOPICS: tuple[tuple[Turn, ...], ...] = (
    (
        (
            "How do I reset (my|the) {product} to factory settings?",
            "Hold the (reset|power) button of the {product} for (ten|fifteen) seconds until the "
            "light turns white. (It restarts by itself|It then restarts), which takes about two "
            "minutes.",
        ),
        (
            "(Will I|Do I) lose my (schedules|settings) (if I do that|then)?",
            "Yes, schedules on the device are (erased|removed). If you are signed in, the app "
            "keeps a copy for (30|60) days and offers to restore it.",
        ),
        (
            "(And how|How) do I restore (that copy|them)?",
            "Open the app, tap the {product}, then Settings, Backup, Restore. (Pick the newest "
            "date|The newest copy is on top).",
        ),
    ),
    (
        (
            "(My|The) {product} (keeps dropping|drops) off the wifi (every night|twice a day), "
            "(what can I do|any idea)?",
            "(Sorry about that.|That is annoying, sorry.) Please check that your router offers "
            "2.4 GHz, and (move the {product} closer for a test|restart both once). Does the "
            "light blink blue or orange?",
        ),
        (
            "(It blinks|The light is) (orange|blue)(.| I think.)",
            "Thank you. (That means the password is fine but the signal is weak|That is a weak "
            "signal). A spot with less metal around it, or a second mesh point, will help.",
        ),
    ),
    (
        (
            "How long is the warranty (for|on) (my|the) {product}(, please|)?",
            "The {product} has (two|three) years of warranty on defects. Filters, brushes and "
            "damage from (water|a fall) are not covered.",
        ),
        (
            "(I bought it|Mine is from) in {month}(, is it still covered|. Am I covered)?",
            "Yes, (you are well within|it is inside) the warranty. Keep the (invoice|order number) "
            "at hand when you ask for a repair.",
        ),
    ),
    (
        (
            "Where is (my order|order) {order}? (It should be here by now.|I ordered {days} days "
            "ago.|)",
            "I cannot see parcels from this chat, but the link in your (shipping message|order "
            "page) shows it live. Orders usually take (three to five|two to four) working days.",
        ),
        (
            "The link (shows nothing|says unknown)(.| yet.)",
            "Then it has (probably|most likely) not left the warehouse. If nothing moves by "
            "tomorrow evening, write to us and we will trace {order}.",
        ),
    ),
    (
        (
            "(Can I|Is it possible to) use the {product} without (the cloud|an account)?",
            "Yes, basic functions work (locally|without it): on, off and the timer. (Remote "
            "access|Voice control) and history need an account.",
        ),
        (
            "(Where is|And where is) my data (stored|kept) (then|if I do use it)?",
            "In the region you chose when you signed up. You can (export or erase|erase) all of "
            "it under Profile, Privacy.",
        ),
        (
            "(How long|And how long) does erasing take?",
            "At most (seven|ten) days, and you get a message when it is done.",
        ),
    ),
    (
        (
            "(How loud|How noisy) is the {motor}(, roughly|)? (We have a baby.|I work at home.|)",
            "(About|Around) (52|55|58) dB in quiet mode, (like a calm conversation|a bit less than "
            "a dishwasher). Turbo mode adds ten.",
        ),
        (
            "(Can it run|Does it run) in quiet mode (only at night|by itself)?",
            "Yes, (set quiet hours|add quiet hours) in the app under Schedule; it then never goes "
            "above quiet mode in that time.",
        ),
    ),
    (
        (
            "The batteries of my door lock are (nearly|) empty, (how do I get in|what now)?",
            "Hold a 9 V battery (against|to) the two contacts under the lock: it wakes up and your "
            "code or card works (at once|again). Then put in four new AA cells.",
        ),
        (
            "(Does it|Will it) (forget|lose) my (codes|cards) (without power|then)?",
            "No, codes and cards stay in the lock (for years|without power). Only the clock may "
            "need a sync in the app.",
        ),
    ),
    (
        (
            "(We are|I am) moving (in {month}|soon). (How do I|Must I) unlink the {product}?",
            "In the app open the {product}, Settings, Remove. (Tick|Choose) keep history if you "
            "want to link it again in the new (place|flat).",
        ),
        (
            "(What about|And) the wall (mount|bracket)?",
            "It can stay, and a new one (costs {amount}|is in our shop). The screws are M4 if you "
            "want to reuse it.",
        ),
    ),
    (
        (
            "(Does|Can) the {camera} (record|see) (at night|in the dark|in heavy rain)?",
            "Yes, it switches to infrared (by itself|when it gets dark) and sees about (eight|ten) "
            "metres. It stands rain and (snow|frost) down to -20 degrees.",
        ),
        (
            "(How long|For how many days) are (clips|videos) kept?",
            "(Seven|Fourteen) days without a plan and (30|60) with one, or as long as you like on "
            "a memory card.",
        ),
    ),
    (
        (
            "(Which|What) filter (do I need|fits) for my (Mist 2 purifier|air purifier)?",
            "The (F2|round F2) filter fits. (It lasts about six months|We suggest a new one every "
            "six months), sooner with pets or smoke.",
        ),
        (
            "(Can I wash it|Is it washable)?",
            "The outer mesh, yes; the inner filter, no. (Let the mesh dry for a day|Dry the mesh "
            "fully) before you put it back.",
        ),
    ),
    (
        (
            "(Does|Will) the {product} work with (my voice assistant|other brands)?",
            "It (speaks|supports) Matter, so (most|nearly all) assistants and hubs find it. Open "
            "the app, More, Link, and scan the code there.",
        ),
        (
            "(The code does not scan.|It says the code is invalid.)",
            "Please type the 11 digits under the code instead. (A code works once|Each code can "
            "be used once), so make a new one if it was used before.",
        ),
    ),
    (
        (
            "How (can|do) I share (my|the) {product} with (my partner|a flatmate|guests)?",
            "In the app: Home, Members, Invite. (They|The new member) must accept within (24|48) "
            "hours and can then control the {product}.",
        ),
        (
            "Can (they|a member) (delete|change) (my schedules|things)?",
            "Only if you make them an administrator. A plain member can (use|switch) it, nothing "
            "more.",
        ),
    ),
)

FOLLOW_UPS: tuple[Turn, ...] = (
    (
        "(OK|Alright), (that worked|it works now)(!|. Great.)",
        "(Glad to hear it|Wonderful)! Is there anything else I can do for you?",
    ),
    (
        "And (what if|if) (it|that) does not help?",
        "Then (open|please open) a ticket with the serial number of your {product}, and a "
        "technician will look at it within (one|two) working days.",
    ),
    (
        "(How much|What) would a repair cost (me|)?",
        "Within the warranty nothing. After it, (the price is agreed with you first|you get a "
        "quote first), usually between {amount} and twice that.",
    ),
    (
        "(Can I|May I) talk to a (person|human)?",
        "(Of course|Sure). Our team answers on weekdays from 9 to 18. I have left a note so "
        "that you need not repeat yourself.",
    ),
    (
        "(Thanks|Thank you)(!|, bye.| very much.)",
        "You are welcome. (Have a good day|Take care)!",
    ),
    (
        "(Sorry, one|One) more thing: is there a manual (as PDF|in English)?",
        "Yes, at lanhai.example.com/manuals, (sorted by model|just search for the model).",
    ),
)

# What may stand before and after a first question.
BEFORE = (
    "Hi. ",
    "Hello! ",
    "Good (morning|evening). ",
    "Quick question. ",
    "Hey there. ",
)
AFTER = (
    " Thanks!",
    " I have had it since {month}.",
    " My order was {order}.",
    " (Could not find it in the manual|The manual does not say).",
    " I am (no expert|new to this).",
    " (Bought it|It was a present) {days} weeks ago.",
)
