# Sourced by the cases: a scratch folder, and what it holds at the end.
mkdir -p "$W" && cd "$W" || exit 99
# (By full path: a shell may have tools of its own.) Names, modes, sizes, link counts and checksums, in one order everywhere.
show_tree() {
	/usr/bin/find "${1:-.}" \( -type d -printf '%M %p\n' \) -o -printf '%M %n %s %p %l\n' | LC_ALL=C /usr/bin/sort
	/usr/bin/find "${1:-.}" -type f -print0 | LC_ALL=C /usr/bin/sort -z | /usr/bin/xargs -0r /usr/bin/sha256sum
}
