#!/usr/bin/env bash
# What action.yml does: lints a grants file, runs its tests, and on a pull request says in one comment
# who gains and who loses what. The comment is updated by later runs.
#
#   check-grants.sh COMMAND…   COMMAND… is voxtoken, such as `tsx bin/voxtoken.ts`
#
# Environment: GRANTS, FAIL_ON_GAIN, COMMENT, PULL_REQUEST (its number; empty on other events), GH_TOKEN, and
# GITHUB_REPOSITORY and GITHUB_STEP_SUMMARY as GitHub sets them. It needs git, and gh for the comment.
set -euo pipefail

# The token is for the comment alone.
token=$GH_TOKEN
unset GH_TOKEN

status=0
"$@" admin lint --format github -- "$GRANTS"
"$@" admin test --format github --coverage -- "$GRANTS" || status=1

[[ -n $PULL_REQUEST ]] || exit "$status"

# GitHub checks a pull request out as its merge into the base branch. The first parent is that branch.
if ! base=$(git rev-parse --quiet --verify --short "HEAD^1") || ! git cat-file -e "HEAD^2" 2> /dev/null; then
  echo "::error::The checkout has no merge of the pull request: give actions/checkout fetch-depth: 2 and no ref"
  exit 1
fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
old="$base:./$GRANTS"
if ! git cat-file -e "$old" 2> /dev/null; then
  old="$folder/none.yml"
  printf 'serviceAccounts: {}\ngrants: []\n' > "$old"
fi

# 0: no difference, 3: someone gains, 4: another difference.
difference=0
"$@" admin diff --format markdown --fail-on gain -- "$old" "$GRANTS" > "$folder/diff.md" || difference=$?
case $difference in
  0 | 4) ;;
  3)
    if [[ $FAIL_ON_GAIN == true ]]; then
      echo "::error::Someone gains by this change of the grants. The job's summary says who gains what."
      status=1
    fi
    ;;
  *) echo "### Grants: the base branch's file is not valid, so there is nothing to compare with" > "$folder/diff.md" ;;
esac
cat "$folder/diff.md" >> "$GITHUB_STEP_SUMMARY"

comment() {
  local id comments="repos/$GITHUB_REPOSITORY/issues/$PULL_REQUEST/comments"
  export GH_TOKEN=$token MARKER="<!-- voxtoken admin diff: $GRANTS -->"
  printf '%s\n\n' "$MARKER" | cat - "$folder/diff.md" > "$folder/comment.md"
  id=$(gh api --paginate "$comments?per_page=100" \
    --jq '.[] | select(.user.type == "Bot" and (.body | startswith(env.MARKER))) | .id') || return
  # Several, if two runs started at once: the first is updated.
  id=${id%%$'\n'*}
  if [[ -n $id ]]; then
    gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$id" -F "body=@$folder/comment.md"
  elif [[ $difference != 0 ]]; then
    gh api --silent --method POST "$comments" -F "body=@$folder/comment.md"
  fi
}

# A pull request from a fork has a token that can only read.
if [[ $COMMENT != false ]] && ! comment; then
  echo "::warning::The comment could not be written: the job needs pull-requests: write. The job's summary has the difference."
fi
exit "$status"
