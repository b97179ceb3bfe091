#!/usr/bin/env python3
"""acp copies what cp -r copies. Speaks TAP:  acp.py PROGRAM [TEST...]"""
import os
import pathlib
import resource
import shutil
import signal
import stat
import tempfile

import tap
from tap import check, run, same, test

ACP = tap.program()
MEMORY = pathlib.Path("/dev/shm")


def describe(folder, name, times):
    """What a copy has to have as well."""
    info = os.stat(name, dir_fd=folder, follow_symlinks=False)
    kind = stat.S_IFMT(info.st_mode)
    said = [oct(info.st_mode), info.st_uid, info.st_gid]
    if times:
        said.append(info.st_mtime_ns)
    if kind == stat.S_IFLNK:
        said.append(os.readlink(name, dir_fd=folder))
    elif kind == stat.S_IFREG:
        fd = os.open(name, os.O_RDONLY, dir_fd=folder)
        with open(fd, "rb") as f:
            said += [info.st_size, hash(f.read())]
    elif kind in (stat.S_IFCHR, stat.S_IFBLK):
        said.append(info.st_rdev)
    return kind == stat.S_IFDIR, said


def describe_all(top, times=False):
    """path -> description, by descriptors: the path may be longer than a call takes."""
    seen = {}
    way = [("", os.open(top, os.O_RDONLY), None)]
    while way:
        path, fd, left = way.pop()
        left = os.listdir(fd) if left is None else left
        while left:
            name = left.pop()
            is_folder, seen[f"{path}/{name}"] = describe(fd, name, times)
            if is_folder:
                way.append((path, fd, left))
                way.append((f"{path}/{name}", os.open(name, os.O_RDONLY, dir_fd=fd), None))
                break
        else:
            os.close(fd)
    return seen


def same_trees(seen, wanted, times=False):
    seen, wanted = describe_all(seen, times), describe_all(wanted, times)
    for path in sorted(set(seen) | set(wanted)):
        same(seen.get(path), wanted.get(path), path)


def copy(*arguments, **more):
    """A copy that must succeed without a word."""
    done = run(ACP, *arguments, **more)
    same((done.status, done.err, done.out), (0, b"", b""), f"acp {arguments}")


def fails(*arguments, naming, **more):
    """A copy that must tell what it could not do."""
    done = run(more.pop("program", ACP), *arguments, **more)
    same(done.status, 1, f"status of acp {arguments}, which said {done.err}")
    for word in naming:
        check(os.fsencode(word) in done.err, word, "is not in", done.err)
    return done


def modes_tree(top):
    """All sorts of modes; folders that nobody may write to are filled all the same."""
    tree = tap.odd_tree(top)
    for mode in (0o400, 0o444, 0o555, 0o600, 0o640, 0o666, 0o711, 0o755, 0o777, 0o4755, 0o2755, 0o6777):
        tap.put(tree / "modes" / oct(mode), b"m" * 100, mode)
    for mode in (0o500, 0o555, 0o700, 0o711, 0o755, 0o777, 0o1777, 0o2775):
        tap.put(tree / "folder modes" / oct(mode) / "file", b"m").parent.chmod(mode)
    os.mkfifo(tree / "fifo for all", 0o666)
    (tree / "fifo for all").chmod(0o666)
    return tree


@test
def a_copy_is_what_cp_makes(scratch):
    tree = modes_tree(scratch / "tree")
    for umask in (0o022, 0o077, 0):
        copy("-r", tree, scratch / f"ours{umask}", umask=umask)
        run("cp", "-r", tree, scratch / f"theirs{umask}", umask=umask)
        same_trees(scratch / f"ours{umask}", scratch / f"theirs{umask}")
    done = run("diff", "-r", "--no-dereference", tree / "sizes", scratch / "ours0/sizes")
    same((done.status, done.out), (0, b""), "diff -r")


@test
def with_p_modes_times_and_owners_are_kept(scratch):
    tree = modes_tree(scratch / "tree")
    for number, path in enumerate(sorted(tree.rglob("*"))):
        os.utime(path, ns=(10**18 + number, 10**18 + number * 1001), follow_symlinks=False)
    if os.getuid() == 0:
        os.chown(tree / "a/b", 12, 34)
        os.chown(tree / "sizes/5000", 12, 34)
        os.lchown(tree / "links/nowhere", 12, 34)
        os.chown(tree / "modes/0o6777", 12, 34)  # drops the set-id bits
        (tree / "modes/0o6777").chmod(0o6777)
    copy("-rp", tree, scratch / "ours")
    same_trees(scratch / "ours", tree, times=True)
    run("cp", "-rp", tree, scratch / "theirs")
    same_trees(scratch / "ours", scratch / "theirs", times=True)


@test
def a_tree_of_this_machine_is_copied(scratch):
    copy("-rp", "/usr/include", scratch / "include")
    done = run("diff", "-r", "--no-dereference", "/usr/include", scratch / "include")
    same((done.status, done.out), (0, b""), "diff -r")


@test
def any_number_of_jobs_gives_the_same(scratch):
    tree = tap.odd_tree(scratch / "tree")
    for jobs in ("1", "3", "256"):
        copy("-r", "-j", jobs, tree, scratch / jobs)
        same_trees(scratch / jobs, tree)


@test
def another_file_system_gets_the_same(scratch):
    if not MEMORY.is_dir() or MEMORY.stat().st_dev == scratch.stat().st_dev:
        raise tap.Skip(f"{MEMORY} is not another file system")
    there = pathlib.Path(tempfile.mkdtemp(dir=MEMORY))
    try:
        tree = tap.odd_tree(scratch / "tree")
        copy("-rp", tree, there / "copy")  # copy_file_range does not go there
        same_trees(there / "copy", tree, times=True)
        copy("-rp", there / "copy", scratch / "back")
        same_trees(scratch / "back", tree, times=True)
    finally:
        shutil.rmtree(there)


@test
def files_that_do_not_know_their_size_are_copied(scratch):
    for name in ("version", "filesystems", "kallsyms"):  # nothing; a page; more than a buffer
        copy(f"/proc/{name}", scratch / name)
        same((scratch / name).read_bytes(), pathlib.Path(f"/proc/{name}").read_bytes(), name)


@test
def holes_stay_holes(scratch):
    tap.put_holes(scratch / "f", 64 << 20, 0, 30 << 20)
    tap.put_holes(scratch / "g", 64 << 20)
    for name in "fg":
        copy(scratch / name, scratch / f"{name} copy")
        same((scratch / f"{name} copy").read_bytes(), (scratch / name).read_bytes(), name)
        check((scratch / f"{name} copy").stat().st_blocks * 512 < 1 << 20, "the hole is filled")


@test
def the_target_may_be_new_or_a_folder_and_sources_may_be_many(scratch):
    tap.put(scratch / "one" / "file", b"1")
    tap.put(scratch / "two", b"2")
    (scratch / "there").mkdir()
    copy("-r", "one", "two", "there", cwd=scratch)
    copy("-r", "one/", "new", cwd=scratch)
    copy("-r", "one/.", "there", cwd=scratch)
    copy("-r", "one", "newer/", cwd=scratch)
    copy("two", "three", cwd=scratch)
    copy("-r", f"{scratch}/one/", f"{scratch}/there/", cwd="/")
    for name, content in (("there/one/file", b"1"), ("there/two", b"2"), ("new/file", b"1"),
                          ("there/file", b"1"), ("newer/file", b"1"), ("three", b"2")):
        same((scratch / name).read_bytes(), content, name)
    same(sorted(os.listdir(scratch / "there")), ["file", "one", "two"], "there")
    fails("one", "two", "three", cwd=scratch, naming=["three"])


@test
def what_is_there_already_is_replaced(scratch):
    tree = tap.odd_tree(scratch / "tree")
    copy("-r", tree, scratch / "copy")
    tap.put(scratch / "copy/sizes/5000", b"longer than before" * 1000, 0o600)
    tap.put(scratch / "copy/sizes/300001", b"longer than before" * 50000)
    (scratch / "copy/links/nowhere").unlink()
    (scratch / "copy/links/nowhere").symlink_to("elsewhere")
    tap.put(scratch / "copy/only here", b"stays")
    copy("-r", f"{tree}/.", scratch / "copy")
    same((scratch / "copy/only here").read_bytes(), b"stays", "what only the target has")
    same((scratch / "copy/sizes/5000").stat().st_mode & 0o777, 0o600, "mode of a file that was there")
    (scratch / "copy/only here").unlink()
    (scratch / "copy/sizes/5000").chmod(0o644)
    same_trees(scratch / "copy", tree)


@test
def files_and_folders_do_not_replace_each_other(scratch):
    tap.put(scratch / "tree" / "x" / "file")
    tap.put(scratch / "tree" / "y", b"y")
    tap.put(scratch / "tree" / "z", b"z")
    tap.put(scratch / "copy" / "tree" / "x", b"a file")
    (scratch / "copy" / "tree" / "y").mkdir()
    fails("-r", scratch / "tree", scratch / "copy", naming=["copy/tree/x", "copy/tree/y"])
    same((scratch / "copy/tree/x").read_bytes(), b"a file", "x")
    check((scratch / "copy/tree/y").is_dir(), "y is gone")
    same((scratch / "copy/tree/z").read_bytes(), b"z", "z, which is copied all the same")


@test
def nothing_is_copied_onto_itself_or_into_itself(scratch):
    tap.put(scratch / "tree" / "small", b"precious")
    tap.put(scratch / "tree" / "big", b"precious" * 100000)
    for name in ("small", "big"):
        fails(f"tree/{name}", f"tree/{name}", naming=[name], cwd=scratch)
        fails(f"tree/{name}", "tree", naming=[name], cwd=scratch)
    fails("-r", "tree/.", "tree", naming=["small", "big"], cwd=scratch)
    fails("-r", "tree", "tree", naming=["itself"], cwd=scratch)
    fails("-r", "tree", "tree/new", naming=["itself"], cwd=scratch)
    for top in ("tree", "tree/tree", "tree/new"):
        same((scratch / top / "small").read_bytes(), b"precious", f"{top}/small")
        same((scratch / top / "big").read_bytes(), b"precious" * 100000, f"{top}/big")


@test
def nothing_is_written_through_a_link(scratch):
    tap.put(scratch / "tree" / "file", b"new")
    tap.put(scratch / "tree" / "big", b"new" * 100000)
    tap.put(scratch / "tree" / "folder" / "file", b"new")
    outside = tap.put(scratch / "outside" / "file", b"old")
    (scratch / "copy").mkdir()
    (scratch / "copy/file").symlink_to(outside)
    (scratch / "copy/big").symlink_to(outside)
    (scratch / "copy/folder").symlink_to(scratch / "outside")
    fails("-r", f"{scratch}/tree/.", scratch / "copy", naming=["copy/./file", "copy/./big", "copy/./folder"])
    same(outside.read_bytes(), b"old", "the file outside")
    same(os.listdir(scratch / "outside"), ["file"], "the folder outside")


@test
def a_tree_deeper_than_any_path_needs_few_descriptors(scratch):
    tree = tap.deep_tree(scratch, 250)
    (scratch / "to").mkdir()
    name = next(path.name for path in tree.iterdir() if path.name.endswith("with"))
    done = run(*tap.with_descriptors(64, ACP, "-rp", tree / name, scratch / "to"))
    same((done.status, done.err), (0, b""), "acp")
    same_trees(scratch / "to" / name, tree / name, times=True)


@test
def a_wide_tree_needs_few_descriptors(scratch):
    for i in range(30):
        for j in range(20):
            tap.put(scratch / "tree" / str(i) / str(j) / "folder" / "file", b"x" * i, 0o640)
            (scratch / "tree" / str(i) / str(j)).chmod(0o555)
    done = run(*tap.with_descriptors(40, ACP, "-r", scratch / "tree", scratch / "copy"))
    same((done.status, done.err), (0, b""), "acp")
    same_trees(scratch / "copy", scratch / "tree")


@test
def what_may_not_be_read_or_written_is_named_and_the_rest_is_copied(scratch):
    acp = tap.program_for_all(scratch)
    tree = scratch / "tree"
    for name in ("closed file", "file", "closed/file", "open/file"):
        tap.put(tree / name, b"x")
    (tree / "closed file").chmod(0)
    (tree / "closed").chmod(0)
    (scratch / "to").mkdir()
    (scratch / "to").chmod(0o777)
    tap.put(scratch / "read only" / "file").parent.chmod(0o555)
    if os.getuid() == 0:
        os.chown(scratch / "read only", 0, 0)
    nobody = tap.as_nobody()
    done = fails("-r", tree, scratch / "to", naming=["closed file", "closed'"], program=acp, **nobody)
    check(b"open/file" not in done.err, done.err)
    same((scratch / "to/tree/open/file").read_bytes(), b"x", "the rest")
    check(not (scratch / "to/tree/closed file").exists() or
          (scratch / "to/tree/closed file").stat().st_size == 0, "more than root may read")
    fails("-r", tree, scratch / "read only", naming=["read only/tree"], program=acp, **nobody)


@test
def a_file_that_cannot_be_written_to_its_end_is_named(scratch):
    tap.put(scratch / "small", b"s" * 60000)
    tap.put(scratch / "big", b"b" * 1000000)
    tap.put(scratch / "tiny", b"t")

    def limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # then the call fails: EFBIG
        resource.setrlimit(resource.RLIMIT_FSIZE, (30000, 30000))

    (scratch / "to").mkdir()
    fails(scratch / "small", scratch / "big", scratch / "tiny", scratch / "to", naming=["to/small", "to/big", "too large"],
          preexec_fn=limit, restore_signals=False)
    same((scratch / "to/tiny").read_bytes(), b"t", "the rest")


@test
def a_source_that_is_not_there_or_a_folder_without_r_is_named(scratch):
    tap.put(scratch / "file", b"x")
    (scratch / "to").mkdir()
    fails(scratch / "gone", scratch / "file", scratch / "to", naming=["gone", "No such file"])
    same((scratch / "to/file").read_bytes(), b"x", "the rest")
    fails(scratch / "to", scratch / "new", naming=["without -r"])
    check(not (scratch / "new").exists(), "it was made all the same")
    fails(scratch / "file", scratch / "no/such/folder", naming=["no/such/folder"])


@test
def memory_does_not_grow_with_the_tree(scratch):
    if tap.is_sanitized(ACP):
        raise tap.Skip("a sanitizer's own memory is larger")
    (scratch / "tree").mkdir()
    for number in range(1500):
        tap.put_holes(scratch / "tree" / str(number), 60000, 0)
    def limit():
        resource.setrlimit(resource.RLIMIT_DATA, (24 << 20, 24 << 20))  # the files are four times that

    copy("-r", scratch / "tree", scratch / "copy", preexec_fn=limit)
    same(len(os.listdir(scratch / "copy")), 1500, "files")


@test
def what_is_copied_is_named_with_v(scratch):
    tap.put(scratch / "tree" / "file", b"x")
    done = run(ACP, "-rv", "tree", "copy", cwd=scratch)
    same(sorted(done.out.splitlines()), [b"'tree' -> 'copy'", b"'tree/file' -> 'copy/file'"], "acp -v")


@test
def wrong_usage_is_told(scratch):
    for arguments in ([], ["one"], ["--no-such-option", "a", "b"], ["-j", "0", "a", "b"], ["-j", "257", "a", "b"]):
        fails(*arguments, naming=["acp"], cwd=scratch)
    done = run(ACP, "--help")
    same((done.status, done.err), (0, b""), "acp --help")
    check(b"usage: acp" in done.out, done.out)


tap.main()
