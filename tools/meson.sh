#!/bin/sh
# SPDX-License-Identifier: MIT
# Sets a build folder up if there is none with these options yet.
#
#   usage:  meson.sh FOLDER OPTIONS...      meson and ninja are found on PATH
set -eu
folder=$1
shift
if [ ! -f "$folder/build.ninja" ] || [ "$(cat "$folder/options" 2>/dev/null)" != "$*" ]; then
    rm -rf "$folder"
    mkdir -p "$folder"
    if ! meson setup "$folder" "$@" >"$folder.log" 2>&1; then
        cat "$folder.log"
        rm -rf "$folder"
        exit 1
    fi
    printf '%s\n' "$*" >"$folder/options"
fi
