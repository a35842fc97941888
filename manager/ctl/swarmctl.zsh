#compdef swarmctl
# SPDX-License-Identifier: LGPL-2.1-or-later
# zsh completion for swarmctl. Commands and options are what swarmctl itself says of them (--help); names are had only where that asks nobody.

_swarmctl_ask() {
    swarmctl --no-ask-password "$@" 2>/dev/null </dev/null
}

# The second column of a list, after the mark of this node.
_swarmctl_second() {
    local -a names
    names=(${(f)"$(_swarmctl_ask $1 ls | awk 'NR > 1 { print $2 == "*" ? $3 : $2 }')"})
    compadd -a names
}

# Fills the arrays `words_` (the command line's operands, commands included) and `command_` (one word, or groups and their command; empty while
# it is not complete).
_swarmctl_parse() {
    local -a valued=(-l --label --advertise-addr --listen-addr --threshold --thumbprint --pcrs --device --token-uri --token
        --old-key-expires --role --availability --label-add --label-rm --unit --constraint --constraint-add --constraint-rm --secret
        --secret-add --secret-rm --config --config-add --config-rm --on-update --parallelism --max-age --socket)
    local -i i
    value_of=
    words_=() command_=()
    for ((i = 2; i < CURRENT; i++)); do
        if ((${valued[(Ie)${words[i]}]})); then
            ((++i < CURRENT)) || value_of=${words[i - 1]}
        elif [[ ${words[i]} != -* && ${words[i]} != help ]]; then
            words_+=(${words[i]})
        fi
    done
    if [[ "${words_[1,2]}" == 'docker keyslot' ]]; then
        ((${#words_} < 3)) || command_=(${words_[1,3]})
    elif [[ ${words_[1]} == (secret|config|service|node|keyslot|docker) ]]; then
        ((${#words_} < 2)) || command_=(${words_[1,2]})
    else
        command_=(${words_[1]})
    fi
}

_swarmctl_described() {
    local -a described
    described=(${(f)"$("${@:2}" | sed -nE "$1")"})
    _describe swarmctl described
}

_swarmctl_values() {
    case $1 in
        --role) compadd worker manager ;;
        --availability) compadd active pause drain ;;
        --on-update) compadd restart reload none ;;
        --secret|--secret-add|--secret-rm) _swarmctl_second secret ;;
        --config|--config-add|--config-rm) _swarmctl_second config ;;
        --unit) compadd ${(f)"$(systemctl list-unit-files --type=service --plain --no-legend 2>/dev/null | awk '{ print $1 }')"} ;;
        --socket) _files ;;
        --device) _files -g '/dev/hidraw*' ;;
    esac
}

_swarmctl_operand() {
    local -i n=$((${#words_} - ${#command_}))
    case "$command_" in
        join-token) ((n)) || compadd worker manager ;;
        backup|restore) ((n)) || _files ;;
        'keyslot add') ((n)) || compadd tang tpm2 recovery passphrase fido2 pkcs11 ;;
        'docker keyslot add') ((n)) || compadd tang tpm2 recovery passphrase ;;
        'docker keyslot '(test|refresh|rm|remove)) ((n)) || compadd ${(f)"$(_swarmctl_ask docker keyslot ls | awk 'NR > 1 { print $1 }')"} ;;
        'keyslot '(test|refresh|rm|remove)) ((n)) || compadd ${(f)"$(_swarmctl_ask keyslot ls | awk 'NR > 1 { print $1 }')"} ;;
        (secret|config)' create') ((n != 1)) || _files ;;
        (secret|config)' update')
            if ((n == 0)); then
                _swarmctl_second $words_[1]
            elif ((n == 1)); then
                _files
            fi ;;
        'service '(update|ps)|'node update') ((n)) || _swarmctl_second $words_[1] ;;
        'node inspect') compadd self; _swarmctl_second node ;;
        'node '(promote|demote|rm|remove)|'service '(inspect|rm|remove|enable|disable)|(secret|config)' '(inspect|rm|remove))
            _swarmctl_second $words_[1] ;;
    esac
}

_swarmctl() {
    local value_of
    local -a words_ command_
    local commands='s/^  ([a-z][a-z-]*)  +([^ ].*)$/\1:\2/p' options='s/^  (-[a-z], |    )(--[a-z-]+)( [^ ]+)?  +([^ ].*)$/\2:\4/p'

    _swarmctl_parse
    if [[ -n $value_of ]]; then
        _swarmctl_values $value_of
    elif [[ ${words[CURRENT]} == -* ]]; then
        _swarmctl_described $options swarmctl $command_ --help
    elif ((${#command_})); then
        _swarmctl_operand
    elif ((${#words_})); then
        _swarmctl_described $commands swarmctl $words_ --help
        [[ "$words_" != docker ]] || compadd keyslot
    else
        _swarmctl_described $commands swarmctl --help
        compadd secret config service node keyslot docker help
    fi
}

_swarmctl "$@"
