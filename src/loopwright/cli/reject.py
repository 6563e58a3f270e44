"""`loopwright reject`."""

from loopwright.cli.deciding import decision

command = decision(
    "reject",
    approves=False,
    told="Keep the candidate of a promoted endpoint out, or take it back while it takes over step "
    "by step; the next one is judged anew.",
)
