#!/bin/sh
# A plugin that writes down how it was called. $FAKE is the folder: answer-TYPE is what ADD prints, fail-VERB-TYPE what a
# failing call prints.
set -eu
type=${0##*/}
number=$(ls "$FAKE/calls" | wc -l)
call=$FAKE/calls/$(printf %03d "$number")
mkdir "$call"
echo "$CNI_COMMAND $type" >"$call/what"
env | grep '^CNI_' | sort >"$call/env"
cat >"$call/stdin"
if [ -e "$FAKE/fail-$CNI_COMMAND-$type" ]; then
    cat "$FAKE/fail-$CNI_COMMAND-$type"
    exit 1
fi
if [ "$CNI_COMMAND" = ADD ]; then cat "$FAKE/answer-$type"; fi
