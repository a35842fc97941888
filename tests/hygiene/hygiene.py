#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What tools say of the sources, fast enough for every run: hygiene.py SOURCE SWARMCTL [PATTERN]. Prints `ok NAME` or `not ok NAME: reason` for
each check whose name has PATTERN, and what the tools said on standard error. `tests/sandbox lint` and `test` run it."""
import fnmatch
import glob
import os
import re
import subprocess
import sys
import tomllib

SOURCE, SWARMCTL = sys.argv[1:3]
PATTERN = sys.argv[3] if len(sys.argv) > 3 else ''
HERE = os.path.dirname(os.path.abspath(__file__))
SPDX = 'SPDX-License-Identifier: LGPL-2.1-or-later'
# Words that are none, for codespell: names, and German and protocol words that look like misspellings.
WORDS = os.path.join(HERE, 'words')


def output(*command, status=(0,)):
    p = subprocess.run(command, cwd=SOURCE, capture_output=True, text=True, errors='replace', stdin=subprocess.DEVNULL)
    if p.returncode not in status:
        raise Failure(f'{command[0]}: {(p.stdout + p.stderr).strip()}')
    return p.stdout


class Failure(Exception):
    pass


def files():
    """All of the sources, without what belongs to git."""
    if os.path.exists(os.path.join(SOURCE, '.git')):
        return [f for f in output('git', 'ls-files', '--cached', '--others', '--exclude-standard').splitlines() if os.path.exists(os.path.join(SOURCE, f))]
    return [os.path.relpath(os.path.join(folder, name), SOURCE) for folder, _, names in os.walk(SOURCE) for name in names]


def head(file, size=600):
    with open(os.path.join(SOURCE, file), 'rb') as f:
        return f.read(size).decode(errors='replace')


def annotated():
    """Patterns of files whose license a REUSE.toml beside or above them tells."""
    patterns = []
    for file in [f for f in files() if os.path.basename(f) == 'REUSE.toml']:
        with open(os.path.join(SOURCE, file), 'rb') as f:
            for annotation in tomllib.load(f)['annotations']:
                patterns += [os.path.join(os.path.dirname(file), p.replace('**', '*')) for p in annotation['path']]
    return patterns


def spdx():
    patterns = annotated()
    missing = [f for f in files() if SPDX not in head(f) and f != 'LICENSE' and not any(fnmatch.fnmatch(f, p) for p in patterns)]
    if missing:
        raise Failure('no license is told by ' + ', '.join(missing))


def shell():
    scripts = [f for f in files() if f.endswith('.sh') or re.match(r'#!\s*/(usr/)?bin/(env )?(ba)?sh\b', head(f, 60))]
    scripts += [f for f in files() if re.fullmatch(r'docs/packaging/debian/.*\.(preinst|postinst|prerm|postrm|config)', f)]
    if len(scripts) < 30:
        raise Failure('there are more scripts than that')
    output('shellcheck', '--external-sources', '--severity=warning', '--exclude=SC1090,SC1091', *sorted(set(scripts)))
    for script in glob.glob(os.path.join(SOURCE, 'manager/ctl/*.zsh')):
        output('zsh', '-n', script)
    for script in glob.glob(os.path.join(SOURCE, 'manager/ctl/*.fish')):
        output('fish', '--no-execute', script)


def man_pages():
    """mandoc knows the pages' language better than groff, which tests/ctl/test-man asks."""
    pages = sorted(glob.glob('docs/man/*.[1-8]', root_dir=SOURCE))
    said = output('mandoc', '-T', 'lint', '-W', 'warning', *pages, status=(0, 1, 2, 3, 4))
    # The pages belong to a release, not to a day.
    wrong = [line for line in said.splitlines() if not re.search(r'missing date|cross reference|unusual Os|line too long|ignoring macro in table', line)]
    if wrong or not pages:
        raise Failure('\n'.join(wrong) or 'no pages')
    for page in pages:
        for name, section in re.findall(r'^\.BR "?((?:swarm|org\.swarm)[\w.@-]*)"? \((\d)\)', head(page, 1 << 20), re.M):
            if not os.path.exists(os.path.join(SOURCE, f'docs/man/{name.replace(chr(92), "")}.{section}')):
                raise Failure(f'{page} speaks of {name}({section}), which there is not')


def spelling():
    texts = [f for f in files() if not any(fnmatch.fnmatch(f, p) for p in annotated() + ['LICENSE', 'tests/hygiene/words'])]
    output('codespell', '--ignore-words', WORDS, '--ignore-regex', r'[A-Za-z0-9+/_=-]{24,}', '--check-filenames', *texts)


def xml():
    for file in [f for f in files() if f.endswith(('.xml', '.policy.in', '.conf.in'))]:
        output('xmllint', '--noout', '--nonet', file)


def completions():
    output(sys.executable, os.path.join(HERE, 'completions.py'), SOURCE, SWARMCTL)


def packaging():
    """What `meson install` installs, and the lists of the packages, are the same."""
    listed = []
    for file in glob.glob(os.path.join(SOURCE, 'docs/packaging/debian/*.install')):
        with open(file) as f:
            listed += ['/' + line.strip() for line in f]
    with open(os.path.join(SOURCE, 'docs/packaging/swarm-manager.spec')) as f:
        spec = f.read().split('%files', 1)[1].split('%changelog')[0]
    names = {os.path.basename(line).rstrip('*') for line in spec.splitlines() if line.startswith('%{')}
    wrong = [path for path in listed if os.path.basename(path) not in names]
    if wrong or len(listed) != len(set(listed)):
        raise Failure(f'the spec and debian/*.install differ: {wrong}')


CHECKS = {'spdx': spdx, 'shell': shell, 'man': man_pages, 'spelling': spelling, 'xml': xml, 'completions': completions, 'packaging': packaging}


def main():
    failed = 0
    for name, check in CHECKS.items():
        name = 'hygiene:' + name
        if PATTERN not in name:
            continue
        try:
            check()
            print('ok ' + name, flush=True)
        except Failure as e:
            failed += 1
            print(e, file=sys.stderr)
            print(f'not ok {name}: {str(e).splitlines()[0][:300]}', flush=True)
    return failed > 0


if __name__ == '__main__':
    sys.exit(main())
