# Sourced by the cases: a scratch folder, and what it holds at the end.
mkdir -p "$W" && cd "$W" || exit 99
# Names, modes, sizes, link counts and checksums, in one order everywhere.
show_tree() {
	find "${1:-.}" \( -type d -printf '%M %p\n' \) -o -printf '%M %n %s %p %l\n' | LC_ALL=C sort -k 4
	find "${1:-.}" -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum
}
