#!/bin/sh
# Compiles src/ into _build/ebin. Quiet, does nothing when nothing changed, and
# may run many times at once: ebin is a symbolic link, switched in one rename
# to a folder that is already complete, so nobody ever sees half a build.
set -eu

CDPATH= cd -P -- "$(dirname -- "$0")"

app=tai_autonomics.app
if [ -e "_build/ebin/$app" ] &&
   [ -z "$(find src build.sh -newer "_build/ebin/$app")" ]
then
    exit 0
fi

mkdir -p _build
new=$(mktemp -d _build/ebin.XXXXXX)
link=$new.link
trap 'rm -rf "$new" "$link"' EXIT
trap 'exit 1' HUP INT TERM
chmod 755 "$new"

# Copied before compiling: its time says which sources this build has seen.
cp "src/$app" "$new/"
# illness.erl is a behaviour: it has to be there before the modules that name it.
erlc +debug_info +deterministic -Werror \
     +warn_export_vars +warn_unused_import +warn_missing_spec \
     -pa "$new" -o "$new" src/illness.erl src/*.erl

old=$(readlink _build/ebin || :)
ln -s "${new#_build/}" "$link"
mv -fT "$link" _build/ebin
trap - EXIT
[ -z "$old" ] || rm -rf "_build/$old"
