#!/usr/bin/env python3
"""The commands of examples/README.md build the examples with an installed library. Speaks TAP:  readme.py BUILD-FOLDER"""
import os
import pathlib
import re
import shutil
import sys

import tap
from tap import check, run, same, test

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(sys.argv[1]).resolve()


@test
def the_examples_are_built_outside_of_the_tree(scratch):
    done = run("meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", scratch / "root")
    same(done.status, 0, done.err)
    pc = next((scratch / "root").rglob("hascall.pc"))
    shutil.copytree(TOP / "examples", scratch / "examples")
    text = (TOP / "examples/README.md").read_text()
    commands = re.search(r"```sh\n(.*?)```", text, re.S)[1]
    env = dict(os.environ, LC_ALL="C", PKG_CONFIG_LIBDIR=str(pc.parent), PKG_CONFIG_SYSROOT_DIR=str(scratch / "root"),
               PKG_CONFIG_ALLOW_SYSTEM_CFLAGS="1", PKG_CONFIG_ALLOW_SYSTEM_LIBS="1", LD_LIBRARY_PATH=str(pc.parent.parent))
    done = run("sh", "-euc", commands, cwd=scratch / "examples", env=env)
    same((done.status, done.err), (0, b""), "the commands")
    for name in ("adu", "acp", "httpd"):
        done = run(scratch / "examples" / name, "--help", env=env)
        same((done.status, done.err), (0, b""), name)
        check(f"usage: {name}".encode() in done.out, done.out)
    done = run(scratch / "examples/adu", "-s", scratch / "examples", env=env)
    same(done.out, run("du", "-s", scratch / "examples").out, "adu")


tap.main()
