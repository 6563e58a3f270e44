"""`loopwright approve`."""

from loopwright.cli.deciding import decision

command = decision(
    "approve",
    approves=True,
    told="Let the candidate of a promoted endpoint take over, once its gate is passed.",
)
