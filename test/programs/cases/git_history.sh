#!/bin/sh
# needs: git
# git: init, add, commit, log, branch, merge, rebase, stash, gc, clone, diff, worktree
. "$T/lib.sh"
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@b GIT_CONFIG_NOSYSTEM=1
export GIT_AUTHOR_DATE='2020-01-01T00:00:00Z' GIT_COMMITTER_DATE='2020-01-01T00:00:00Z' GIT_PAGER=cat
git config --global init.defaultBranch main; git config --global gc.auto 0
git init repo; cd repo || exit
for n in 1 2 3; do seq 1 $n$n >file$n; git add .; git commit -q -m "commit $n"; done
git log --stat; git status --short; echo change >>file1; git status --short; git diff
git commit -qam change; git checkout -q -b side HEAD~1; echo side >side; git add side; git commit -qm side; git checkout -q main
git merge -q -m merge side; git log --oneline --graph; git show --stat HEAD^2; git tag v1; git describe --tags
git checkout -q -b topic HEAD~1; echo topic >topic; git add topic; git commit -qm topic; git rebase -q main; git log --oneline | head -n 2
echo dirty >>file2; git stash -q; git status --short; git stash pop -q; git status --short; git checkout -q -- file2
git mv file3 moved; git rm -q file1; git commit -qm moves; git ls-files; git blame -s moved | head -n 2; git grep -n 1 -- file2 | head -n 2
git gc -q; git fsck --full 2>&1; git count-objects -v | grep -v size; git cat-file -t HEAD; git rev-parse HEAD
git clone -q . ../clone && cd ../clone && git log --oneline | wc -l; echo from clone >c; git add c; git commit -qm clone; git push -q origin HEAD:cloned; cd ../repo; git branch
git archive HEAD | tar tf -; git worktree add -q ../wt side; ls ../wt; git bisect start HEAD HEAD~3 >/dev/null 2>&1; git bisect reset >/dev/null 2>&1; git reflog | wc -l
printf '#!/bin/sh\necho hook ran\n' >.git/hooks/pre-commit; chmod +x .git/hooks/pre-commit; git commit -q --allow-empty -m hook; git reset -q --hard HEAD~1; git clean -fdq; git status
