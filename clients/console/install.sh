#!/bin/sh
# Copies what the staff console loads from npm into the folder that it is served from, each file beside its compressed
# self. Node 20.19 or newer from the PATH does it, or else one from PyPI that is put into the project's venv.
set -eu
venv=$(cd "${1:-.venv}" && pwd)
cd "$(dirname "$0")"
shelf=../../storefront/staff/static/vendor

if ! node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 20 || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null
then
  test -x "$venv/bin/npm" || "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r node.lock
  PATH="$venv/bin:$PATH"
fi

npm ci --loglevel error --fetch-retries 1 --fetch-timeout 30000
mkdir -p "$shelf"
for file in echarts/dist/echarts.min.js htmx.org/dist/htmx.min.js
do
  name=$(basename "$file")
  gzip -9 -n -c "node_modules/$file" > "$shelf/.$name.gz"
  cp "node_modules/$file" "$shelf/.$name"
  # Renamed into place, so that a server never reads half a file.
  mv "$shelf/.$name.gz" "$shelf/$name.gz"
  mv "$shelf/.$name" "$shelf/$name"
done
rm -rf node_modules
