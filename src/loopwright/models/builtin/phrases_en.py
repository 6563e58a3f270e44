"""English messages by what they are about: the world that the demonstration model has seen.

Wording of its own; its nouns are those of homes, shops and offices.
"""

from __future__ import annotations

TOPICS = {
    "payment": (
        "(there is|I see|I found) a (mistake|problem|error) (in|with|on) (my|the|our) (bill|invoice|statement|receipt)",
        "(the sum|the total|the amount) of {amount} (is wrong|looks wrong|does not add up|is too high)",
        "(you took|you charged|you billed|somebody took) {amount} (twice|two times|again|from my card|from my account)",
        "the (bank|card) (transfer|payment|charge) (failed|was refused|bounced|does not work|is declined)",
        "(my|the) (coupon|voucher|discount|code|gift card) (is not accepted|does not count|was ignored|failed)",
        "(what does|how much does) the {product} cost (with tax|in total|a month)",
        "(I pay|we paid|I was billed) (for a plan|for a subscription|a fee) (I do not have|that I cancelled|without notice)",
        "(please|kindly) (issue|send|correct) (the|a|our) (tax|company|VAT) (invoice|receipt|bill) (for the {product}|)",
        "the (monthly|yearly|extra) (fee|price|charge|cost) (went up|rose|doubled|is higher than agreed)",
        "(can we|may I|is it possible to) (pay later|pay in parts|pay by transfer|split the payment)",
        "(the accountant|the bookkeeper|my bank) (asks for|misses|rejects) (the invoice|the receipt|your charge)",
        "(an overcharge|a double charge|an unknown charge) of {amount} (for the {product}|)",
    ),
    "parcel": (
        "(my|the|our) (parcel|package|box|order|shipment) (is late|is missing|got lost|did not come|never came)",
        "the (courier|driver|postman|carrier) (was not here|left it outside|went to the wrong door|did not ring)",
        "(where is|when comes|what happened to) (my|the) (parcel|delivery|{product} that I ordered|shipment)",
        "the (tracking|tracking number|tracking page) (shows nothing|is not found|is not updated|says lost)",
        "(please|could you) (deliver|send|ship) (it|the {product}) (to another address|on Saturday|to the office|earlier)",
        "the (box|carton|package) (was open|was damaged|is dented|was empty|is soaked)",
        "(half of|part of|only some of) (the order|the shipment|the items) (arrived|came|was delivered)",
        "(customs|the depot|the warehouse) (holds|keeps|still has) (my|our) (parcel|shipment|{product})",
        "(I got|we received|there came) (somebody else's order|the wrong item|a wrong colour|another model)",
        "(delivery|shipping) (takes|is taking) (too long|forever|{days} days already)",
        "(the order|the {product}) (has not shipped|has not left the warehouse|was never sent)",
        "(change|correct) the (street|delivery|shipping) (address|name) (of the order|before it ships|)",
    ),
    "device": (
        "(my|the|our) {product} (is broken|is dead|broke|does not work|stopped|gave up)",
        "the {product} (smells|hums|rattles|squeaks|clicks|is loud|makes noise|vibrates)",
        "the (battery|charger|cable|plug|dock) of (my|the) {product} (is empty|is weak|is dead|does not charge|is torn)",
        "the (display|lamp|button|lid|glass|case|lens) of the {product} (is cracked|is scratched|fell off|is dark|flickers|is loose)",
        "the {product} (fell|was dropped|got wet|fell into water) and (is dead now|shows nothing|no longer runs)",
        "a (part|screw|wheel|brush|filter|fan|motor) (of|in) the {product} (is missing|broke off|is stuck|is worn out|jams)",
        "(where can I buy|do you have|I am looking for) (a new|a spare|another) (filter|battery|brush|adapter|charger|mount)",
        "the {product} (turns off|restarts|stops) (by itself|after {days} minutes|all the time)",
        "the {product} (will not start|does not turn on|cannot be switched on|stays off)",
        "the {product} (overheats|gets very hot|blinks red|beeps all the time|leaks)",
    ),
    "software": (
        "the app (freezes|hangs|quits|closes itself|shows an error|stopped working|is slow)",
        "the {product} (is offline|lost the connection|does not connect|drops the wifi|cannot be found) (in the app|)",
        "(since|after) the (update|upgrade|new version) (nothing works|the app is broken|the {product} is gone)",
        "(the pairing|the set-up|the connection) (of|with) the {product} (fails|stops half way|does not finish)",
        "(no|late|double) (notifications|alerts|messages) from the app",
        "the (timer|schedule|routine|automation|map) (is lost|does not start|was deleted|never runs)",
        "the (live picture|camera view|history|start page|widget) (does not load|is black|stays empty)",
        "(the firmware|an update) (does not install|hangs|failed|stops at 40 percent)",
        "(the voice assistant|voice control|the speaker) (does not find|cannot reach|ignores) the {product}",
        "(how can I|where do I) (program|schedule|switch|connect) the {product} (with the app|from my {device})",
    ),
    "login": (
        "(I am|we are|my wife is) (locked out|shut out) of (my|the|our) (account|profile)",
        "(my|the) (password|user name|code|pin) (is not accepted|does not work|is wrong|expired)",
        "(the code|the mail|the text message) (for the login|with the code|to reset the password) (does not come|is late|never came)",
        "(remove|add|invite|change) (a user|my partner|an old colleague|the owner) (in|from|to) (my|our) (account|profile|household)",
        "(please|I want to|can you) (close|delete|erase|merge|rename) my (account|profile|accounts)",
        "I (cannot|can no longer) (sign in|log in|get into my account|open my profile)",
        "(the two-step check|the second factor|the security question) (fails|does not work|locks me out)",
        "my (mail address|phone number|name|language) in the profile (is wrong|has changed|must be changed)",
    ),
    "refund": (
        "(I want|we would like|I need) to (give back|send back|return|exchange) the {product}",
        "(the refund|my money|the repayment) (is not here|did not come|is late|is missing|is too small)",
        "(please|when will you|can you) (refund|pay back|repay) (me|the {product}|the full price|the money)",
        "(where do I get|I need|please mail me) (a return form|the return label|a label to send it back)",
        "the {product} (does not please me|is too heavy|is too small|is not as shown), (take it back|I return it|I want to swap it)",
        "(how long|until when) can I (return|exchange|send back) (things|the {product}|an order)",
        "(nobody|no courier) (came|showed up) to (pick up|collect|fetch) (my return|the return|what I send back)",
        "(I ordered|I bought|I took) the wrong (one|size|model) and (want to return it|want to exchange it|send it back)",
    ),
    "nothing of these": (
        "the weather is (nice|cold|rainy|warm) today",
        "(I had|we cooked|they served) (rice|soup|noodles|bread) for (dinner|lunch)",
        "my (sister|brother|friend|neighbour) (plays|learns) (the piano|chess|football)",
        "the (train|bus|plane) to {place} leaves at (six|nine|noon)",
        "(what is|do you know) (the capital of France|a good book|the time)",
    ),
}

HASTE = {
    "now": (
        "(It is|This is|that is) (very urgent|an emergency|critical|really urgent)(.|!)",
        "(Please|You must) (answer|call|help|react|hurry) (now|at once|today|immediately|within the hour)(.|!)",
        "(We|I) (cannot|can't) (wait|open|work|go on) (any longer|like this|until it is fixed)(.|!)",
        "(The guests|Our customers|The movers|The inspectors) (come|arrive|are here) (tomorrow|tonight|in an hour).",
        "(Urgent|Quick|Hurry|ASAP|Right away), please(.|!)",
        "(We lose|It costs us) (money|customers|sales) (every hour|by the minute|each day).",
        "(Deadline is|It must be done by) (today|tonight|tomorrow morning).",
    ),
    "any time": (
        "(There is no hurry|No hurry|No rush|No need to rush)(.|, really.)",
        "(Whenever you can|When you have a moment|Any time|Some day) is (fine|good|early enough).",
        "(It is not|This is not|Not) (important|urgent|pressing)(.|, I am only curious.)",
        "(Next week|Next month|Later) is (fine|fine too|soon enough|good for me).",
        "(I only wonder|I was just wondering|Just out of curiosity|A small question only).",
        "(It can|That can|This may) wait(.| a while.| until you are free.)",
    ),
}

PRODUCTS = (
    "(robot vacuum|S5 robot vacuum|door lock|Halo door lock|Mist 2 purifier|air purifier|mesh router|"
    "Wave mesh router|doorbell camera|garden camera|desk lamp|smart speaker|thermostat|smart plug|"
    "ceiling fan|kettle|printer|washing machine|radio|heater)"
)

REGIONS = {
    "Yangtze delta": "(Shanghai|Pudong|Hangzhou|Suzhou|Nanjing)",
    "Pearl River delta": "(Shenzhen|Guangzhou|Dongguan|Zhuhai)",
    "South-West China": "(Chengdu|Chongqing|Kunming|Guiyang)",
    "North China": "(Beijing|Tianjin|Dalian|Qingdao)",
    "South-East Asia": "(Singapore|Penang|Kuala Lumpur|Jakarta)",
    "Britain and Ireland": "(London|Manchester|Leeds|Dublin)",
    "Central Europe": "(Berlin|Hamburg|Vienna|Zurich)",
}

SLOTS = {
    "product": PRODUCTS,
    "place": REGIONS["North China"],
    "amount": "($##|£##|€##.50|#9 dollars|S$1##)",
    "days": "(two|three|four|five|six|nine|ten|12)",
    "device": "(phone|tablet|laptop|computer)",
    "order": "LH-######",
}

PLACE_SAID = (
    "(I write|We write|Greetings|Hello) from {place}.",
    "(My home|The shop|Our office|The flat|Everything) is in {place}.",
    "(We live|I live|I work|We are|I am) in {place}.",
    "({place} here|Place: {place}|Location: {place}).",
)
PLACE_FRAMES = (
    "in {place} {said}",
    "{said} in {place}",
    "{said}, {place}",
    "{said} at our (shop|office|home) in {place}",
    "for our {place} (shop|office): {said}",
)
OPENERS = ("(Hi|Hello|Hey|Good morning|Good evening|Dear team|Hi there)(,|!)",)
ASIDES = (
    "(Order|My order is|Order number|Ref) {order}.",
    "(I have a photo|See the photo|I bought it last year|My neighbour has one too).",
    "(Everything else works|The rest is fine|I wrote before).",
    "(I have been|We have been) a customer for {days} years.",
)
CLOSINGS = ("(Thanks|Thank you|Many thanks|Cheers|Best wishes|Kind regards|Thx)(.|!|)",)

TALK = {
    "(hi|hello|hey|good morning)": "Hello! What can I do for you?",
    "(thanks|thank you|thx|many thanks)": "You are welcome.",
    "(bye|goodbye|see you)": "Goodbye!",
    "(who|what) are you?": "I am a very small model, made for demonstrations and tests.",
    "(what can you do|can you help me)?": "Little: I am a very small model. Tune me for one task.",
}
