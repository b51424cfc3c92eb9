#!/usr/bin/env bash
# Formatter, vet, linters listed one by one in .golangci.yml, proto lint.
set -eu -o pipefail
cd "$(dirname "$0")/.."
unformatted=$(gofmt -l $(git ls-files '*.go' | grep -v '\.pb\.go$'))
if [ -n "$unformatted" ]; then
  printf 'not formatted; run gofmt -w on:\n%s\n' "$unformatted" >&2
  exit 1
fi
go vet ./...
go tool -modfile=tools.mod buf lint
tag=$(git describe --tags --abbrev=0 2>/dev/null || true)
if [ -n "$tag" ]; then
  go tool -modfile=tools.mod buf breaking --against ".git#tag=$tag"
fi
go tool -modfile=tools.mod golangci-lint run ./...
