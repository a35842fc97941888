# SPDX-License-Identifier: LGPL-2.1-or-later
# fish completion for swarmctl. Commands and options are what swarmctl itself says of them (--help); names are had only where that asks nobody.

function __swarmctl_ask
    swarmctl --no-ask-password $argv 2>/dev/null </dev/null
end

# The words of the command line before the cursor that are no options, without swarmctl itself. The value of an option follows = or is one of
# the words that __swarmctl_takes_value knows.
function __swarmctl_words
    set -l skip 0
    for word in (commandline -opc)[2..]
        if test $skip = 1
            set skip 0
        else if string match -qr '^-' -- $word
            string match -q '*=*' -- $word; or not __swarmctl_takes_value $word; or set skip 1
        else
            test $word = help; or echo $word
        end
    end
end

function __swarmctl_takes_value
    contains -- $argv[1] -l --label --advertise-addr --listen-addr --threshold --thumbprint --pcrs --device --token-uri --token \
        --old-key-expires --role --availability --label-add --label-rm --unit --constraint --constraint-add --constraint-rm --secret \
        --secret-add --secret-rm --config --config-add --config-rm --on-update --parallelism --max-age --socket
end

function __swarmctl_is_group
    contains -- "$argv[1]" secret config service node keyslot docker
end

# The command: one word, or groups and their command. Fails while it is not complete.
function __swarmctl_command
    set -l words (__swarmctl_words)
    if test "$words[1..2]" = 'docker keyslot'
        test (count $words) -ge 3; and echo $words[1..3]
    else if __swarmctl_is_group $words[1]
        test (count $words) -ge 2; and echo $words[1] $words[2]
    else
        test (count $words) -ge 1; and echo $words[1]
    end
end

function __swarmctl_operands
    set -l words (__swarmctl_words)
    set -l own (string split ' ' -- (__swarmctl_command))
    math (count $words) - (count $own)
end

# What may stand where no command is complete yet.
function __swarmctl_commands
    set -l words (__swarmctl_words)
    if __swarmctl_is_group $words[1]
        test (count $words) -eq 1 -o "$words" = 'docker keyslot'; or return
        test "$words" = docker; and printf '%s\n' keyslot\t'Ways to unlock'
        swarmctl $words --help | string replace -rf '^  (\S+)  +(\S.*)$' '$1\t$2' | string match -v -- '-*'
    else if test (count $words) -eq 0
        swarmctl --help | string replace -rf '^  (\S+)  +(\S.*)$' '$1\t$2' | string match -v -- '-*'
        printf '%s\n' secret\tSecrets config\tConfigs service\tServices node\tNodes keyslot\t'Ways to unlock' docker\t'Docker Engine' help\t'Show a help text'
    end
end

# All options of the command, or the global ones.
function __swarmctl_options
    set -l of (string split ' ' -- (__swarmctl_command))
    swarmctl $of --help | string replace -rf '^  (?:-\w, |    )(--[\w-]+)(?: \S+)?  +(\S.*)$' '$1\t$2'
end

function __swarmctl_previous
    set -l words (commandline -opc)
    contains -- $words[-1] $argv
end

# What an option's value may be.
function __swarmctl_values
    switch (commandline -opc)[-1]
        case --role
            printf '%s\n' worker manager
        case --availability
            printf '%s\n' active pause drain
        case --on-update
            printf '%s\n' restart reload none
        case --secret --secret-add --secret-rm
            __swarmctl_second secret
        case --config --config-add --config-rm
            __swarmctl_second config
        case --unit
            systemctl list-unit-files --type=service --plain --no-legend 2>/dev/null | string replace -r ' .*' ''
        case --device
            printf '%s\n' /dev/hidraw*
    end
end

# The second column of a list.
function __swarmctl_second
    __swarmctl_ask $argv[1] ls | tail -n +2 | string replace -r '^\S+ +(\* +)?(\S+).*' '$2'
end

function __swarmctl_operand
    set -l n (__swarmctl_operands)
    switch "$(__swarmctl_command)"
        case join-token
            test $n -gt 0; or printf '%s\n' worker manager
        case backup restore
            test $n -gt 0; or __fish_complete_path (commandline -ct)
        case 'docker keyslot add'
            test $n -gt 0; or printf '%s\n' tang tpm2 recovery passphrase
        case 'docker keyslot test' 'docker keyslot refresh' 'docker keyslot rm' 'docker keyslot remove'
            test $n -gt 0; or __swarmctl_ask docker keyslot ls | tail -n +2 | string replace -r '^(\S+).*' '$1'
        case 'keyslot add'
            test $n -gt 0; or printf '%s\n' tang tpm2 recovery passphrase fido2 pkcs11
        case 'keyslot test' 'keyslot refresh' 'keyslot rm' 'keyslot remove'
            test $n -gt 0; or __swarmctl_ask keyslot ls | tail -n +2 | string replace -r '^(\S+).*' '$1'
        case 'secret create' 'config create'
            test $n -ne 1; or __fish_complete_path (commandline -ct)
        case 'secret update' 'config update'
            if test $n -eq 0
                __swarmctl_second (__swarmctl_words)[1]
            else if test $n -eq 1
                __fish_complete_path (commandline -ct)
            end
        case 'service update' 'service ps' 'node update'
            test $n -gt 0; or __swarmctl_second (__swarmctl_words)[1]
        case 'node inspect'
            echo self
            __swarmctl_second node
        case 'node promote' 'node demote' 'node rm' 'node remove' 'service inspect' 'service rm' 'service remove' 'service enable' \
            'service disable' 'secret inspect' 'secret rm' 'secret remove' 'config inspect' 'config rm' 'config remove'
            __swarmctl_second (__swarmctl_words)[1]
    end
end

function __swarmctl_complete
    set -l previous (commandline -opc)[-1]
    if __swarmctl_takes_value $previous
        __swarmctl_values
    else if string match -q -- '-*' (commandline -ct)
        __swarmctl_options
    else if not __swarmctl_command >/dev/null
        __swarmctl_commands
    else
        __swarmctl_operand
    end
end

complete -c swarmctl -f -a '(__swarmctl_complete)'
