#compdef sentinel
# zsh completion for sentinel, written by `sentinel completions zsh`.

_sentinel_profiles() {
    local file=${AWS_CONFIG_FILE:-$HOME/.aws/config} line
    local header='^[[:space:]]*\[[[:space:]]*(default|profile[[:space:]]+["'\'']?([^]"'\'']*[^]"'\''[:space:]])["'\'']?)[[:space:]]*\]'
    local -a match profiles expl
    [[ -f $file && -r $file ]] || return 1
    while IFS= read -r line || [[ -n $line ]]; do
        [[ $line =~ $header ]] && profiles+=("${match[2]:-default}")
    done <"$file"
    _wanted profiles expl profile compadd -a profiles
}

# The index of the first word of the command that exec runs, if it has begun before or at the cursor.
_sentinel_program() {
    local -i index
    local profile= option=
    for ((index = 3; index <= CURRENT; index++)); do
        if [[ -n $option ]]; then
            option=
            continue
        fi
        case $words[index] in
            --) REPLY=$((index + 1)); return $((index == CURRENT)) ;;
            @profile@=*) profile=given ;;
            @profile@) profile=given option=given ;;
            @with_value@) option=given ;;
            -*) ;;
            *)
                [[ -n $profile ]] && REPLY=$index && return 0
                ((index < CURRENT)) && profile=given
                ;;
        esac
    done
    return 1
}

# The commands that help is about: the first word, then the second.
_sentinel_topics() {
    local -a topics expl
    if ((CURRENT == 2)); then
        topics=(@top@)
    else
        case $words[2] in
@seconds@
        esac
    fi
    _wanted topics expl command compadd -a topics
}

_sentinel() {
    local REPLY
    local -a commands options
    if ((CURRENT == 2)); then
        commands=(
@commands@
        )
        _describe -t commands command commands
        _arguments : @own_options@
        return
    fi
    # Both words of such a command become one.
    case $words[2] in
        @families@)
            if ((CURRENT > 3)); then
                words=("$words[1]" "$words[2] $words[3]" "${(@)words[4,-1]}")
                ((CURRENT--))
            fi
            ;;
    esac
    case $words[2] in
@cases@
    esac
}

# Autoloaded from a file of that name, it is being called; read by `source`, it is only defined.
if [[ $funcstack[1] == _sentinel ]]; then
    _sentinel "$@"
else
    compdef _sentinel sentinel
fi
