"""English ticket phrases: what decides a label (issues, tones, places) and what does not."""

from __future__ import annotations

SLOTS = {
    "product": (
        "(S5 robot vacuum|robot vacuum|Halo door lock|door lock|Mist 2 purifier|"
        "air purifier|Wave mesh router|mesh router|doorbell camera|garden camera|"
        "desk lamp|smart speaker|thermostat|smart plug|ceiling fan)"
    ),
    "motor": "(robot vacuum|S5 robot vacuum|air purifier|Mist 2 purifier|ceiling fan)",
    "cordless": "(robot vacuum|S5 robot vacuum|doorbell camera|garden camera)",
    "camera": "(doorbell camera|garden camera)",
    "order": "LH-######",
    "year": "(2019|2020|2021|2022|2023|2024|2025)",
    "days": "(two|three|four|five|six|nine|ten|12)",
    "amount": "($(3|4|6)9|£1#9|€(2|5|7)4.50|S$2#8|$1#5.99)",
    "month": "(January|March|April|May|June|July|August)",
    "device": "(phone|tablet|new phone|old tablet|laptop)",
    "reach": "(555-01##|desk##@example.com|front.desk@example.org)",
}

ISSUES = {
    "billing": (
        "I was (charged|billed) twice for (the|my|one) {product}",
        "the invoice for the {product} shows the wrong (amount|company name|tax number|date)",
        "my (card|bank account) was (debited|charged) {amount} but your shop says unpaid",
        "(I need|please send me) (a VAT invoice|an invoice|a receipt) for the {product}",
        "the (discount|voucher) code (was not applied|did not work) and I paid the full price",
        "there is a (second|strange|new) (payment|charge|fee) of {amount} on my statement",
        "the (monthly|yearly) cloud plan was (charged|billed) again after I cancelled it",
        "my payment (keeps failing|is declined|does not go through) at the (checkout|last step)",
        "the price on the invoice is (higher than|not the same as) the one in the shop",
        "(can I|is it possible to) pay for the {product} (by bank transfer|in instalments)",
        "the (storage|subscription) fee went up to {amount} without notice",
        "(our accountant|our bookkeeper) cannot match your invoice of {amount} with any order",
        "I paid {amount} too much for the {product}",
    ),
    "shipping": (
        "the parcel with (my|the) {product} (has not arrived|is still not here) after {days} days",
        "the tracking (has not moved|shows no change|is stuck) for {days} days",
        "the (courier|driver|carrier) says delivered but (I have nothing|there is no box)",
        "I (need|want|would like) to change the delivery address for the {product}",
        "only one of (two|three) boxes (came|arrived)",
        "(you sent|I received|the box contained) the wrong (colour|model), I ordered the {product}",
        "when will (my|the) {product} (ship|be sent|leave the warehouse)",
        "the package with the {product} is (held|stuck) at customs",
        "the box of the {product} (arrived|came) (crushed|wet|torn open)",
        "can the (courier|driver) (come|deliver) (after six|on Saturday|to the back door)",
        "the pick-up point (cannot find|has lost) my parcel",
        "the delivery was (promised|planned) for (Monday|Friday) and (nobody|nothing) came",
        "I ordered the {product} {days} days ago and it has not been dispatched",
    ),
    "hardware": (
        "my {product} (does not|will not|won't) (turn on|start|charge) (any more|at all)",
        "the {motor} makes a (grinding|loud clicking|rattling|high) noise",
        "the (screen|light|button|cover) of (my|the) {product} is (cracked|dead|flickering|loose)",
        "the battery of the {cordless} (lasts only|is empty after) (ten|20|35) minutes",
        "the (motor|switch|sensor) of the {motor} (broke|stopped working|is jammed)",
        "the charging (dock|cable|port) of the {cordless} is (broken|bent|worn out)",
        "(I need|do you sell) a (spare part|wall mount|new adapter) for the {product}",
        "the {product} switches itself off after (a few|{days}) minutes",
        "water got into the {product} and now it is dead",
        "the {camera} (fell down|was dropped) and the (case|lens|holder) broke",
        "one (wheel|brush|bumper) of the robot vacuum came off",
        "the {product} is defective, it (beeps|blinks red) and does nothing else",
    ),
    "app": (
        "the app (crashes|closes|freezes) (when|each time) I open the (camera view|settings|map)",
        "after the (firmware update|last update) the {product} (is offline|no longer connects)",
        "I cannot pair the {product} with my {device}",
        "the app says (device offline|error 4##|no signal) although the {product} is on",
        "app notifications of the {product} (come late|do not come|come twice)",
        "the (schedule|timer|automation|floor map) in the app (disappeared|is gone|does not run)",
        "the firmware update of the {product} (fails|stops) at ## percent",
        "voice control no longer finds the {product}",
        "the (widget|live view|history page) in the app stays (blank|black|empty)",
        "the {product} (drops off|loses) the wifi every (hour|night|few minutes)",
        "the app on my {device} is (very slow|stuck on the start page) since the update",
        "how do I (set|change) a (schedule|timer) for the {product} in the app",
    ),
    "account": (
        "I cannot (log in|sign in) (on my {device}|any more|since the weekend)",
        "the (password reset mail|verification code|login code) never (comes|arrives)",
        "(I want|I would like) to (delete|close) my account",
        "please change the (name|language|mail address) of my account",
        "my account is locked after (three|too many) (attempts|wrong passwords)",
        "how do I (add|invite) (my wife|a colleague|a second user) to (our|the) household",
        "I have two accounts and (want|need) them merged",
        "I (forgot|lost) my password and the security question",
        "the login (page|form) says my (user name|password) is wrong but it is not",
        "the previous owner of the {product} is still the owner in my profile",
        "(a colleague left|my tenant moved out), please remove that user from our account",
        "I changed my phone and two-step login no longer works",
    ),
    "returns": (
        "I (want|would like|need) to (return|send back) the {product}",
        "I (want|would like) my money back for the {product}",
        "(how do I get|where can I print|please send me) a return label for the {product}",
        "I sent the {product} back {days} days ago and have no refund yet",
        "can I (swap|exchange) the {product} for (another colour|the bigger one|a newer model)",
        "the {product} is (too loud|too big|not what I expected), I want to return it",
        "is the {product} still within the return period",
        "the return (label|form) (has the wrong address|does not open|cannot be printed)",
        "when do I get the refund for the {product} I returned",
        "I (changed my mind|bought the wrong one), how can I return the {product}",
        "you refunded only {amount} of what I sent back",
        "the courier did not collect my return of the {product}",
    ),
}

# Danger, a security breach or a person locked in: urgent whatever the tone.
ALARMS = {
    "hardware": (
        "(smoke|a burning smell) (came|is coming) out of (my|the) {product}",
        "the battery of the {cordless} is (swollen|bulging|leaking)",
        "there were sparks when I plugged in the {product}",
        "the {product} got so hot that (the cover melted|it burned the table)",
        "the door lock will not open and my (child|mother|dog) is (inside|locked in)",
    ),
    "account": (
        "(somebody else|a stranger) is (logged in to|using) my account",
        "I can see a stranger's camera in my account",
        "my account was (hacked|taken over) and the password changed",
    ),
    "billing": ("my card was used {days} times in your shop and it was not me",),
}

# A wish: low whatever else is said.
WISHES = {
    "app": (
        "(it would be nice|I would love it) if the app had (a dark mode|a bigger font|a widget)",
        "a suggestion: let the app export the history of the {product}",
    ),
    "shipping": ("a suggestion: please use (less plastic|a smaller box) for the {product}",),
    "hardware": ("an idea for the next {product}: (a longer cable|a quieter one|a white one)",),
}

TONES = {
    "urgent": (
        "This is urgent(.|!)",
        "Please help today, (we open|guests arrive|we move) tomorrow.",
        "I need (this solved|an answer|somebody) (today|right now|within the hour).",
        "We cannot (work|open the shop|serve customers) (until this is solved|like this).",
        "URGENT(!|!!)",
        "(As soon as possible|ASAP) please(.|!)",
        "It cannot wait(.|, please call back at once.)",
        "Every hour of this costs us (money|customers).",
        "Emergency, (please react now|drop everything else please).",
    ),
    "low": (
        "No (rush|hurry).",
        "Not urgent, (whenever you have time|any day is fine).",
        "Just (wondering|asking|curious).",
        "It can wait until next (week|month).",
        "Take your time(.|, really.)",
        "Only a small question(.|, no pressure.)",
        "(Low priority|Nothing pressing) from my side.",
        "Answer when you get round to it.",
    ),
}

PLACES = {
    "shanghai": "(Shanghai|Pudong|Hangzhou|Suzhou|Nanjing)",
    "shenzhen": "(Shenzhen|Guangzhou|Dongguan|Zhuhai)",
    "chengdu": "(Chengdu|Chongqing|Kunming|Guiyang)",
    "beijing": "(Beijing|Tianjin|Dalian|Qingdao)",
    "singapore": "(Singapore|Penang|Kuala Lumpur|Jakarta)",
    "london": "(London|Manchester|Leeds|Dublin)",
    "berlin": "(Berlin|Hamburg|Vienna|Zurich)",
}
SITE_WEIGHTS = {
    "london": 22,
    "berlin": 18,
    "singapore": 17,
    "shanghai": 10,
    "shenzhen": 8,
    "beijing": 7,
    "chengdu": 6,
    "online": 12,
}

PLACE_SENTENCES = (
    "(I am|We are) in {place}.",
    "(Our shop|Our office|The flat|The device) is in {place}.",
    "Location: {place}.",
    "(Writing|Greetings) from {place}.",
    "I live in {place}.",
)
PLACE_FRAMES = (
    "{issue} (here|at our office) in {place}",
    "{issue}, {place}",
    "in {place}, {issue}",
    "here in {place} {issue}",
)

OPENERS = (
    "(Hi|Hello|Hello there|Hey|Hi team|Hi Lanhai),",
    "Good (morning|evening),",
    "Dear (Lanhai support|support team),",
    "To whom it may concern,",
)
ORDERS = ("Order {order}.", "Order number {order}.", "My order is {order}.", "Ref {order}.")
DETAILS = (
    "Bought it in {month}.",
    "(I am|We are) a customer since {year}.",
    "The serial number starts with (7K|9F|2C|4B)##.",
    "I attach a photo.",
    "My neighbour has the same one.",
    "I wrote about this in {month} already.",
    "Everything else (works|is fine).",
    "(Paid by card|My last parcel came on time|The app is fine), by the way.",
)
CONTACTS = ("You can reach me at {reach}.", "My contact is {reach}.")
CLOSINGS = ("Thanks!", "Thank you.", "Many thanks.", "Kind regards", "Cheers", "Best wishes", "Thx")
