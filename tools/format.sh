#!/bin/sh
# SPDX-License-Identifier: MIT
# Formats C and Python in place, or with --check says what is not formatted.
#
#   usage:  format.sh [--check] FOLDER      FOLDER holds clang-format and ruff
set -eu
cd "$(dirname "$0")/.."
if [ "$1" = --check ]; then
    bin=$2 c='--dry-run -Werror' py='--check --diff'
else
    bin=$1 c='-i' py=
fi
status=0
# shellcheck disable=SC2086  # the options are words
find csrc tests bench -name '*.[ch]' -exec "$bin/clang-format" --style=file $c {} + || status=1
# shellcheck disable=SC2086
"$bin/ruff" format -q $py . || status=1
exit $status
