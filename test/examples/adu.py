#!/usr/bin/env python3
"""adu says what du says. Speaks TAP:  adu.py PROGRAM [TEST...]"""
import os
import random
import signal
import subprocess
import sys

import tap
from tap import check, run, same, test

ADU = tap.program()


def lines(text, name=b"du"):
    """In any order; complaints under one name."""
    return sorted(text.replace(name + b": ", b"du: ").split(b"\n"))


def compare(*arguments, **more):
    """adu and du with the same arguments; a tree that changes meanwhile is no reason to fail."""
    for _ in range(5):
        before = run("du", *arguments, **more)
        ours = run(ADU, *arguments, **more)
        after = run("du", *arguments, **more)
        if lines(before.out) == lines(after.out):
            same(lines(ours.out), lines(after.out), f"output of adu {arguments}")
            same(lines(ours.err, b"adu"), lines(after.err), f"complaints of adu {arguments}")
            same(ours.status, after.status, f"status of adu {arguments}")
            return ours
    raise tap.Skip(f"{arguments} does not stand still")


@test
def an_odd_tree_is_as_large_as_du_says(scratch):
    tree = tap.odd_tree(scratch / "tree")
    for options in ("", "-a", "-b", "-ab", "-s", "-c", "-k", "-l", "-al", "-x", "-h", "-ah", "-d0",
                    "-d1", "-ad2", "--apparent-size", "-sh", "-sb", "-bh", "-hk", "-cd1"):
        compare(*options.split(), tree)


@test
def any_number_of_jobs_gives_the_same(scratch):
    tree = tap.odd_tree(scratch / "tree")
    wanted = lines(run("du", "-ab", tree).out)
    for jobs in ("1", "2", "7", "500", "2048"):
        same(lines(run(ADU, "-ab", "-j", jobs, tree).out), wanted, f"-j {jobs}")


@test
def trees_of_this_machine_are_as_large_as_du_says(scratch):
    for tree in ("/usr/include", "/etc", "/usr/share"):
        compare("-s", tree)
        compare("-l", tree)  # else it matters which of a file's names is met first
        compare("-abl", tree)
    compare("-x", "/dev")


@test
def a_folder_comes_after_what_is_in_it(scratch):
    tree = tap.odd_tree(scratch / "tree")
    seen = []
    for line in run(ADU, "-a", tree).out.replace(b"a\nb", b"a?b").splitlines():
        path = line.split(b"\t", 1)[1]
        check(not any(path.startswith(other + b"/") for other in seen), path, "came late")
        seen.append(path)
    same(seen[-1], os.fsencode(tree), "the last line")


@test
def arguments_may_be_files_and_come_twice_and_end_in_slashes(scratch):
    tree = tap.odd_tree(scratch / "tree")
    compare(tree / "sizes/5000")
    compare(tree / "links/to-file", tree / "links/nowhere", tree / "links/to-folder")
    compare(f"{tree}/links/to-folder/")
    compare(f"{tree}/")
    compare("-c", tree, tree, tree / "a")
    compare("-acl", tree / "a", tree / "a", tree / "sizes")
    compare("-s", *sorted(tree.iterdir()))
    compare(cwd=tree)
    compare(".", "..", cwd=tree / "a")
    compare("-a", "a", "sizes", cwd=tree)


@test
def a_file_with_several_names_counts_once(scratch):
    tree = tap.odd_tree(scratch / "tree")
    for number in range(1000):  # more than the first table of files seen
        tap.put(scratch / "one" / str(number), b"x" * number)
        os.link(scratch / "one" / str(number), tree / "many" / f"link{number}")
    compare("-s", scratch)  # which of the names counts may differ, not the sum
    compare("-csb", scratch / "one", tree)
    compare("-csb", tree, scratch / "one")
    compare("-al", scratch)
    counted = [line for line in run(ADU, "-a", scratch).out.splitlines() if b"/one/" in line or b"/link" in line]
    same(len([line for line in counted if line.rsplit(b"/", 1)[1] != b"links"]), 1000 + 6, "files")


@test
def sizes_for_people_are_rounded_as_du_does(scratch):
    choice = random.Random(1)
    sizes = {0, 1, 10, 99, 100, 999, 1000, 1022, 1023}
    for power in (1, 2, 3, 4):
        unit = 1024 ** power
        for factor in (1, 1.5, 9.85, 9.9, 9.95, 10, 10.5, 99, 100, 999, 1000, 1022.5, 1023, 1023.5):
            middle = int(unit * factor)
            sizes.update((middle - 1, middle, middle + 1))
        sizes.update(choice.randrange(unit, unit * 1024) for _ in range(20))
    for size in sizes:
        if size < 15 << 40:  # more than that ext4 cannot hold
            tap.put_holes(scratch / str(size), size)
    compare("-a", "-h", "--apparent-size", scratch)


@test
def a_tree_deeper_than_any_path_needs_few_descriptors(scratch):
    tree = tap.deep_tree(scratch, 300)
    wanted = run("du", "-ab", tree)
    ours = run(*tap.with_descriptors(40, ADU, "-ab", tree))
    same(ours.err, b"", "complaints")
    same(lines(ours.out), lines(wanted.out), "output")
    same(ours.status, 0, "status")


@test
def a_wide_tree_needs_few_descriptors(scratch):
    for i in range(40):
        for j in range(20):
            tap.put(scratch / str(i) / str(j) / "folder" / "file", b"x" * i)
    ours = run(*tap.with_descriptors(30, ADU, "-ab", scratch))
    same(ours.err, b"", "complaints")
    same(lines(ours.out), lines(run("du", "-ab", scratch).out), "output")


@test
def what_may_not_be_read_is_named_and_the_rest_is_counted(scratch):
    adu = tap.program_for_all(scratch)
    tree = scratch / "tree"
    tap.put(tree / "open" / "file", b"x" * 5000)
    tap.put(tree / "closed" / "file", b"x" * 5000)
    tap.put(tree / "listed" / "file", b"x" * 5000)  # names may be read, but not followed
    (tree / "closed").chmod(0)
    (tree / "listed").chmod(0o444)
    wanted = run("du", "-a", tree, **tap.as_nobody())
    ours = run(adu, "-a", tree, **tap.as_nobody())
    check(b"cannot read directory" in wanted.err and b"cannot access" in wanted.err, wanted.err)
    same(lines(ours.err, b"adu"), lines(wanted.err), "complaints")
    same(lines(ours.out), lines(wanted.out), "output")
    same((ours.status, wanted.status), (1, 1), "status")


@test
def an_argument_that_is_not_there_is_named_and_the_others_are_counted(scratch):
    tap.put(scratch / "file", b"x" * 9000)
    compare(scratch / "gone", scratch / "file", scratch / "file/below")


CHANGER = """
import itertools, os, sys
os.chdir(sys.argv[1])
for number in itertools.count():
    os.rename("folder", "away")  # a link comes into its place, and goes
    os.rename("link", "folder")
    os.rename("folder", "link")
    os.rename("away", "folder")
    if number % 10 == 0:
        os.makedirs("x/y/z")
        os.removedirs("x/y/z")
"""


@test
def a_tree_may_change_while_it_is_read_and_is_not_left(scratch):
    tree = scratch / "tree"
    tap.put(tree / "folder/inside/file", b"x")
    tap.put(scratch / "outside/secret/file", b"x")
    (tree / "link").symlink_to(scratch / "outside")
    with subprocess.Popen([sys.executable, "-c", CHANGER, tree]) as changer:
        try:
            for _ in range(300):
                ours = run(ADU, "-a", tree)
                check(ours.status in (0, 1), "status", ours.status, ours.err)
                check(b"secret" not in ours.out, "it left the tree", ours.out)
                check(ours.out.endswith(os.fsencode(tree) + b"\n"), ours.out[-200:])
        finally:
            changer.kill()


@test
def wrong_usage_is_told(scratch):
    for arguments in (["--no-such-option"], ["-j", "0"], ["-j", "x"], ["-j", "99999"], ["-d", "-1"],
                      ["-d", ""], ["-a", "-s"], ["-j"]):
        ours = run(ADU, *arguments, scratch)
        same((ours.status, ours.out), (1, b""), f"adu {arguments}")
        check(b"adu" in ours.err, arguments, "said", ours.err)
    ours = run(ADU, "--help")
    same((ours.status, ours.err), (0, b""), "adu --help")
    check(b"usage: adu" in ours.out and b"--apparent-size" in ours.out, ours.out)


@test
def output_that_cannot_be_written_is_an_error(scratch):
    with open("/dev/full", "wb") as full:
        ours = run(ADU, "-s", scratch, stdout=full)
    same(ours.status, 1, "status")
    check(b"No space left" in ours.err, ours.err)


@test
def a_reader_that_leaves_ends_it(scratch):
    tree = tap.odd_tree(scratch / "tree")
    child = subprocess.Popen([ADU, "-a", "/usr/share", tree], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    child.stdout.read(10)
    child.stdout.close()
    status = child.wait(timeout=tap.LIMIT_S)
    check(status in (1, -signal.SIGPIPE), "status", status)


tap.main()
