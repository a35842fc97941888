#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The completions of zsh and fish offer every command and option that swarmctl has: completions.py SOURCE SWARMCTL. (bash's is tested in
tests/ctl.)"""
import os
import re
import subprocess
import sys
import tempfile

import pexpect

SOURCE, SWARMCTL = sys.argv[1:]
wrong = []


def ctl(*args):
    return subprocess.run([SWARMCTL, *args], capture_output=True, text=True, check=True).stdout


def commands():
    """[('secret', 'create'), ('init',), …], each with its options."""
    found = re.findall(r'^  ([a-z-]+)(?: ([a-z-]+))?  ', ctl('--help').split('Commands:')[1].split('Global')[0], re.M)
    return {tuple(w for w in words if w): set(re.findall(r'^  (?:-\w, |    )(--[\w-]+)', ctl(*[w for w in words if w], '--help'), re.M))
            for words in found}


def require(shell, line, wanted, offered):
    missing = set(wanted) - set(offered)
    if missing:
        wrong.append(f'{shell} does not offer {", ".join(sorted(missing))} after "{line}", but {", ".join(sorted(offered)[:30])}')


def fish(line, env):
    p = subprocess.run(['fish', '--no-config', '-c', f'source {SOURCE}/manager/ctl/swarmctl.fish; complete --do-complete "{line}"'],
                       capture_output=True, text=True, env=env, stdin=subprocess.DEVNULL)
    if p.stderr:
        wrong.append(f'fish says after "{line}": {p.stderr}')
    return [word.split('\t')[0] for word in p.stdout.splitlines()]


class Zsh:
    """zsh completes at a terminal only."""

    def __init__(self, folder, env):
        os.symlink(f'{SOURCE}/manager/ctl/swarmctl.zsh', f'{folder}/_swarmctl')
        self.z = pexpect.spawn('zsh', ['-f'], env=env | {'TERM': 'dumb'}, encoding='utf-8', dimensions=(200, 250), timeout=120)
        self.z.sendline(f"unsetopt zle prompt_cr prompt_sp; PS1='READY '; fpath=({folder} $fpath); autoload -Uz compinit; compinit -u -D; "
                        "zmodload zsh/zutil; LISTMAX=0; setopt zle; zstyle ':completion:*' list-colors; zstyle ':completion:*' verbose no; "
                        "bindkey '^I' list-choices; bindkey '^U' kill-whole-line; echo SET-$((1 + 1))")
        self.z.expect('SET-2')
        self.z.expect('READY ')

    def offered(self, line):
        self.z.send(line + '\t')
        self.z.expect(r'\n')
        try:
            while True:
                self.z.expect(r'.+', timeout=0.4)
                self.text = getattr(self, 'text', '') + self.z.before + self.z.after
        except pexpect.TIMEOUT:
            pass
        text, self.text = self.text if hasattr(self, 'text') else '', ''
        self.z.send('\x15\r')
        self.z.expect('READY ')
        return re.findall(r'(?<![\w-])(--[\w-]+|[a-z][\w-]*)', text)


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(SWARMCTL, f'{folder}/swarmctl')
        env = os.environ | {'PATH': folder + ':' + os.environ['PATH'], 'HOME': folder}
        zsh = Zsh(folder, env)
        known = commands()
        assert len(known) > 30
        for shell, offered in (('fish', lambda line: fish(line, env)), ('zsh', zsh.offered)):
            require(shell, 'swarmctl ', {words[0] for words in known}, offered('swarmctl '))
            for group in {words[0] for words in known if len(words) == 2}:
                require(shell, f'swarmctl {group} ', {words[1] for words in known if words[0] == group and len(words) == 2}, offered(f'swarmctl {group} '))
            for words, options in known.items():
                if words in (('init',), ('service', 'update'), ('keyslot', 'add'), ('node', 'update'), ('update',), ('secret', 'create')):
                    line = f'swarmctl {" ".join(words)} --'
                    require(shell, line, options, offered(line))
            require(shell, 'swarmctl node update --role ', ['worker', 'manager'], offered('swarmctl node update --role '))
            require(shell, 'swarmctl join-token ', ['worker', 'manager'], offered('swarmctl join-token '))
            require(shell, 'swarmctl keyslot add ', ['tang', 'tpm2', 'recovery'], offered('swarmctl keyslot add '))
            require(shell, 'swarmctl docker keyslot ', ['add', 'ls', 'test', 'refresh', 'rm'], offered('swarmctl docker keyslot '))
            require(shell, 'swarmctl docker keyslot add ', ['tang', 'tpm2', 'recovery'], offered('swarmctl docker keyslot add '))
    print('\n'.join(wrong))
    return bool(wrong)


if __name__ == '__main__':
    sys.exit(main())
