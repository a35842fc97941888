# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion for swarmctl

# The second, or first, column of a list: only where it can be had without asking anyone.
_swarmctl_names() {
    swarmctl --no-ask-password "$@" ls 2>/dev/null </dev/null
}

_swarmctl_nodes() {
    _swarmctl_names node | awk 'NR > 1 { print $2 == "*" ? $3 : $2 }'
}

_swarmctl_complete() {
    local global='--help --json --no-ask-password' cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    local group='' command='' operands=0 word i words=''

    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        case $word in
            -l|--label|--advertise-addr|--listen-addr|--threshold|--thumbprint|--pcrs|--device|--token-uri|--token|--old-key-expires|\
            --role|--availability|--label-add|--label-rm|--unit|--constraint|--constraint-add|--constraint-rm|--secret|--secret-add|\
            --secret-rm|--config|--config-add|--config-rm|--on-update|--parallelism|--max-age|--socket)
                ((++i)); [[ ${COMP_WORDS[i]} == = ]] && ((++i)); continue ;;
            -?*|=) continue ;;
        esac
        if [[ -n $command ]]; then
            # in "--autolock=true" bash parts the value off
            [[ ${COMP_WORDS[i-1]} == = ]] || ((++operands))
        elif [[ "$group $word" == 'docker keyslot' ]]; then
            group+=" $word"
        elif [[ -n $group ]]; then
            command=$word
        elif [[ $word == @(secret|config|service|node|keyslot|docker) ]]; then
            group=$word
        elif [[ $word != help ]]; then
            command=$word
        fi
    done

    # in "--role=worker" bash parts the value off, too
    [[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD-2]}
    [[ $cur == = ]] && cur=
    case $prev in
        -l|--label|--advertise-addr|--listen-addr|--threshold|--thumbprint|--pcrs|--token-uri|--token|--old-key-expires|--label-add|\
        --label-rm|--constraint|--constraint-add|--constraint-rm|--parallelism|--max-age) return ;;
        --secret|--secret-add|--secret-rm) COMPREPLY=($(compgen -W "$(_swarmctl_names secret | awk 'NR > 1 { print $2 }')" -- "$cur")); return ;;
        --config|--config-add|--config-rm) COMPREPLY=($(compgen -W "$(_swarmctl_names config | awk 'NR > 1 { print $2 }')" -- "$cur")); return ;;
        --unit) COMPREPLY=($(compgen -W "$(systemctl list-unit-files --type=service --plain --no-legend 2>/dev/null | awk '{ print $1 }')" -- "$cur"))
                return ;;
        --on-update) COMPREPLY=($(compgen -W 'restart reload none' -- "$cur")); return ;;
        --role) COMPREPLY=($(compgen -W 'worker manager' -- "$cur")); return ;;
        --availability) COMPREPLY=($(compgen -W 'active pause drain' -- "$cur")); return ;;
        --socket) COMPREPLY=($(compgen -f -- "${cur:-/run/}")); return ;;
        --device) COMPREPLY=($(compgen -f -- "${cur:-/dev/hidraw}")); return ;;
    esac
    if [[ ${COMP_WORDS[COMP_CWORD]} == = || ${COMP_WORDS[COMP_CWORD-1]} == = ]]; then
        COMPREPLY=($(compgen -W 'true false' -- "$cur"))
        return
    fi

    case "$group $command" in
        ' ')         words='init join unlock unlock-key update join-token leave info ca backup restore secret config service node keyslot docker help'
                     global+=' --version' ;;
        ' init')     global+=' --advertise-addr --autolock --force-new-cluster --listen-addr' ;;
        ' join')     global+=' --advertise-addr --listen-addr --token' ;;
        ' unlock')   global+=' --quiet' ;;
        ' unlock-key') global+=' --old-key-expires --quiet --rekey --rotate' ;;
        ' update')   global+=' --autolock --rekey' ;;
        ' join-token') global+=' --quiet --rotate'
                     ((operands == 0)) && words='worker manager' ;;
        ' leave')    global+=' --force' ;;
        ' ca')       global+=' --rotate' ;;
        ' backup')   global+=' --force' ;;&
        ' restore')  global+=' --advertise-addr --listen-addr' ;;&
        ' backup'|' restore')
                     if [[ $cur != -* && $operands -eq 0 ]]; then
                         compopt -o filenames
                         COMPREPLY=($(compgen -f -- "$cur"))
                         return
                     fi ;;
        'secret '|'config ') words='create update ls inspect rm' ;;
        'service ')  words='create ls inspect ps update enable disable rm' ;;
        'node ')     words='ls inspect promote demote rm update' ;;
        'keyslot ')  words='add ls test refresh rm' ;;
        'docker ')   words='enroll status unlock forget keyslot' ;;
        'docker enroll') global+=' --socket' ;;
        'docker keyslot ') words='add ls test refresh rm' ;;
        'docker keyslot add')
                     global+=' --threshold --thumbprint --trust-first --pcrs --quiet'
                     ((operands == 0)) && words='tang tpm2 recovery passphrase' ;;
        'docker keyslot refresh') global+=' --check --automatic --quiet' ;;&
        'docker keyslot test'|'docker keyslot refresh'|'docker keyslot rm'|'docker keyslot remove')
                     [[ $cur == -* || $operands -gt 0 ]] || words=$(_swarmctl_names docker keyslot | awk 'NR > 1 { print $1 }') ;;
        'keyslot add')
                     global+=' --threshold --thumbprint --trust-first --pcrs --device --token-uri --quiet'
                     ((operands == 0)) && words='tang tpm2 recovery passphrase fido2 pkcs11' ;;
        'keyslot refresh') global+=' --check --automatic --quiet' ;;&
        'keyslot test'|'keyslot refresh'|'keyslot rm'|'keyslot remove')
                     [[ $cur == -* || $operands -gt 0 ]] || words=$(_swarmctl_names keyslot | awk 'NR > 1 { print $1 }') ;;
        'secret create'|'config create')
                     global+=' --label'
                     if [[ $cur != -* && $operands -eq 1 ]]; then
                         compopt -o filenames
                         COMPREPLY=($(compgen -f -- "$cur"))
                         return
                     fi ;;
        'secret update'|'config update')
                     global+=' --detach'
                     if [[ $cur != -* && $operands -eq 1 ]]; then
                         compopt -o filenames
                         COMPREPLY=($(compgen -f -- "$cur"))
                         return
                     fi
                     [[ $cur == -* || $operands -gt 0 ]] || words=$(_swarmctl_names "$group" | awk 'NR > 1 { print $2 }') ;;
        'service create')
                     global+=' --unit --constraint --secret --config --label --on-update --parallelism --max-age --offline' ;;
        'service update')
                     global+=' --unit --constraint-add --constraint-rm --secret-add --secret-rm --config-add --config-rm --label-add --label-rm'
                     global+=' --on-update --parallelism --max-age --offline --retry --detach' ;;&
        'service update'|'service ps')
                     [[ $cur == -* || $operands -gt 0 ]] || words=$(_swarmctl_names service | awk 'NR > 1 { print $2 }') ;;
        'service inspect'|'service rm'|'service remove'|'service enable'|'service disable')
                     [[ $cur == -* ]] || words=$(_swarmctl_names service | awk 'NR > 1 { print $2 }') ;;
        'service ls'|'service list'|'secret ls'|'secret list'|'config ls'|'config list'|'node ls'|'node list') global+=' --quiet' ;;
        'secret inspect'|'secret rm'|'secret remove'|'config inspect'|'config rm'|'config remove')
                     [[ $cur == -* ]] || words=$(_swarmctl_names "$group" | awk 'NR > 1 { print $2 }') ;;
        'node inspect')
                     [[ $cur == -* ]] || words="self $(_swarmctl_nodes)" ;;
        'node rm'|'node remove') global+=' --force' ;;&
        'node promote'|'node demote'|'node rm'|'node remove')
                     [[ $cur == -* ]] || words=$(_swarmctl_nodes) ;;
        'node update')
                     global+=' --availability --label-add --label-rm --role'
                     [[ $cur == -* || $operands -gt 0 ]] || words=$(_swarmctl_nodes) ;;
    esac
    [[ $cur == -* ]] && words=$global
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
}

complete -F _swarmctl_complete swarmctl
