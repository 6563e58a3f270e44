"""English tickets in other words: none of these sentences is among the recorded calls.

Products and places are the same, since what they stand for is a matter of fact, not of wording.
"""

from __future__ import annotations

from phrases_en import CONTACTS, PLACES, SITE_WEIGHTS, SLOTS

__all__ = ["CONTACTS", "PLACES", "SITE_WEIGHTS", "SLOTS"]

ISSUES = {
    "billing": (
        "you took the money for the {product} two times",
        "there is a mistake on our bill for the {product}",
        "the bank refused the payment for the {product}",
        "the coupon is not accepted at the payment",
        "I found an unknown charge of {amount} from your shop",
        "our accountant asks for a correct receipt",
        "the total of {amount} on the bill does not add up",
        "a fee of {amount} was taken for a plan I do not have",
    ),
    "shipping": (
        "my order with the {product} got lost on the way",
        "the driver left the box at the wrong door",
        "where is the {product} that I ordered",
        "the tracking number is not found",
        "please deliver the {product} to another address",
        "the carton was open and wet when the courier brought it",
        "a part of the order is missing in the box",
        "the depot still has my parcel after {days} days",
    ),
    "hardware": (
        "my {product} broke and shows nothing",
        "the {motor} hums and rattles all the time",
        "the battery of the {cordless} does not charge",
        "the button of the {product} fell off",
        "the {product} gets very hot and turns off by itself",
        "the lens of the {camera} is scratched",
        "the {product} stays off, whatever I press",
        "where can I buy a spare filter for the {product}",
    ),
    "app": (
        "the app hangs as soon as it shows the {product}",
        "the {product} lost the connection to the app",
        "since the new version the app shows an error",
        "the timer of the {product} was deleted in the app",
        "no alerts of the {product} from the app",
        "the live picture does not load on my {device}",
        "the set-up of the {product} stops half way on my {device}",
        "the new firmware does not install on the {product}",
    ),
    "account": (
        "I am locked out of my account",
        "the code to sign in does not come",
        "please erase my profile",
        "the password is not accepted on my {device}",
        "add my partner to our household, please",
        "the mail address in my profile must be changed",
        "the second factor does not work on my {device}",
        "please merge my two profiles",
    ),
    "returns": (
        "I want to give the {product} back",
        "please pay me back the full price of the {product}",
        "where do I get a form to send the {product} back",
        "the money for the {product} I sent back did not come",
        "the {product} does not please me, take it back",
        "until when can I send the {product} back",
        "nobody came to fetch the {product} I return",
        "I took the wrong {product} and want to exchange it",
    ),
}

ALARMS = {
    "hardware": (
        "flames and smoke come from the {product}",
        "the {cordless} battery leaks and swells",
        "my child is locked in because the door lock does not open",
    ),
    "account": ("a stranger took over my account", "somebody hacked my account"),
    "billing": ("a stranger paid with my card in your shop",),
}
WISHES = {
    "app": ("an idea: give the app a bigger font", "I would love a dark mode in the app"),
    "shipping": ("a suggestion: ship the {product} in less plastic",),
    "hardware": ("a suggestion for the next {product}: make it white",),
}
TONES = {
    "urgent": (
        "This is very urgent.",
        "Please call back today, it cannot wait.",
        "We cannot open like this.",
        "I need help at once!",
        "Our guests arrive tomorrow, hurry please.",
        "We lose customers every hour.",
    ),
    "low": (
        "There is no hurry.",
        "It is not urgent, any time is fine.",
        "Next week is soon enough.",
        "I was just wondering.",
        "Whenever you have a moment.",
        "It can wait, no rush.",
    ),
}
PLACE_SENTENCES = ("We write from {place}.", "My home is in {place}.", "We work in {place}.")
PLACE_FRAMES = ("{issue} at our shop in {place}", "for our {place} office: {issue}")
OPENERS = ("Hi there,", "Good afternoon,", "Dear team,")
ORDERS = ("The order is {order}.", "Number {order}.")
DETAILS = ("See the photo.", "The rest works.", "I bought it in {month}.")
CLOSINGS = ("Thank you!", "Best regards", "Thanks a lot.")
