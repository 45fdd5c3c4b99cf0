"""The roles in the built-in accounts of local-sts."""

ROLE_A = "arn:aws:iam::111111111111:role/account-a-role"
ROLE_B = "arn:aws:iam::222222222222:role/account-b-role"
# The ARNs of their sessions, without the session name.
SESSION_A = "arn:aws:sts::111111111111:assumed-role/account-a-role/"
SESSION_B = "arn:aws:sts::222222222222:assumed-role/account-b-role/"
