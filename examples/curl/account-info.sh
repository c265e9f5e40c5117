#!/usr/bin/env bash
# Gets a token and calls one method, with nothing but curl (7.75 or later, which signs by itself).
#
#   VOXTOKEN_URL            https://….execute-api.<region>.amazonaws.com/<stage>
#   AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN (where there is one)
set -euo pipefail

: "${VOXTOKEN_URL:?is not set}" "${AWS_REGION:?is not set}" "${AWS_ACCESS_KEY_ID:?is not set}" "${AWS_SECRET_ACCESS_KEY:?is not set}"
api=${VOXIMPLANT_API_URL:-https://api.voximplant.com/platform_api}
service_account=${1:-call-history}

session_header=
[ -z "${AWS_SESSION_TOKEN:-}" ] || session_header="header = \"x-amz-security-token: $AWS_SESSION_TOKEN\""

# Secrets go to curl by its standard input: arguments can be read by everybody on the machine, with ps.
answer=$(curl --silent --show-error --fail-with-body --max-time 15 --retry 3 --config - <<END
url = "$VOXTOKEN_URL/v1/service-accounts/$service_account/token"
request = "POST"
aws-sigv4 = "aws:amz:$AWS_REGION:execute-api"
user = "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY"
$session_header
END
) || { echo "no token: $answer" >&2; exit 1; }

# The answer is one line of JSON, and no token has a quote in it.
token=$(sed -n 's/.*"access_token": *"\([^"]*\)".*/\1/p' <<< "$answer")
[ -n "$token" ] || { echo "the answer holds no token" >&2; exit 1; }

curl --silent --show-error --max-time 15 --config - <<END
url = "$api/GetAccountInfo"
request = "POST"
header = "Authorization: Bearer $token"
END
