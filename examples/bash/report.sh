#!/usr/bin/env bash
# Calls the Management API with voxtoken: once with `voxtoken api`, once with another tool.
set -euo pipefail

voxtoken=${VOXTOKEN:-voxtoken}
api=${VOXIMPLANT_API_URL:-https://api.voximplant.com/platform_api}

# The exit status says what went wrong: 1 a failure (try again later), 2 wrong usage, 3 denied (ask for
# a grant). voxtoken refuses a VOXIMPLANT_API_URL that is neither https nor this machine.
$voxtoken api call-history GetAccountInfo

# For a program that reads the token from its environment. The token is never an argument, because ps
# shows arguments. --location with --max-redirs 0 makes a redirect an error, whatever ~/.curlrc says.
# shellcheck disable=SC2016  # the inner shell expands it
$voxtoken exec call-history --ttl 60 -- bash -c '
  curl --silent --show-error --location --max-redirs 0 --max-time 15 --header @- --request POST \
    "$1/GetAccountInfo" <<< "Authorization: Bearer $VOXIMPLANT_ACCESS_TOKEN"' _ "$api"
