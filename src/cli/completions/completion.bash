# bash completion for sentinel, written by `sentinel completions bash`.

# The options of command $1, and the second words of a family; without one, the first words and sentinel's own options.
_sentinel_options() {
    case $1 in
@options@
    esac
}

# The second words of the commands that begin with $1. Fails for a command of one word.
_sentinel_seconds() {
    case $1 in
@families@
        *) return 1 ;;
    esac
}

# What completes the value of command $1's option $2: a list of words, or @profiles, @files, @directories, @nothing. Fails for
# a switch.
_sentinel_value() {
    case "$1 $2" in
@values@
        *) return 1 ;;
    esac
}

# What completes the words of command $1, its options aside.
_sentinel_words() {
    case $1 in
@words@
    esac
}

_sentinel_profiles() {
    local file=${AWS_CONFIG_FILE:-$HOME/.aws/config} line
    local header='^[[:space:]]*\[[[:space:]]*(default|profile[[:space:]]+["'\'']?([^]"'\'']*[^]"'\''[:space:]])["'\'']?)[[:space:]]*\]'
    [[ -f $file && -r $file ]] || return
    while IFS= read -r line || [[ -n $line ]]; do
        [[ $line =~ $header ]] && printf '%s\n' "${BASH_REMATCH[2]:-default}"
    done <"$file"
}

# Adds what begins like $cur, which is _sentinel's.
_sentinel_offer() {
    local IFS=$' \t\n' line
    case $1 in
        @nothing) ;;
        # Quoted, and never expanded: the names come out of a file.
        @profiles) while IFS= read -r line; do
            [[ $line == "$cur"* ]] && COMPREPLY+=("$(printf '%q' "$line")")
        done < <(_sentinel_profiles) ;;
        @files | @directories)
            compopt -o filenames 2>/dev/null
            local kind=-f
            [[ $1 == @files ]] || kind=-d
            while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen $kind -- "$cur") ;;
        *) while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -W "$1" -- "$cur") ;;
    esac
}

# Completes the command line that begins at word $1.
_sentinel_program() {
    local line
    if declare -F _command_offset >/dev/null; then
        _command_offset "$1"
    elif (($1 == COMP_CWORD)); then
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -c -- "$cur")
    else
        _sentinel_offer @files
    fi
}

_sentinel() {
    local cur=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]} first=2 index word words option='' profile=''
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        _sentinel_offer "$(_sentinel_options '')"
        return
    fi
    if _sentinel_seconds "$command" >/dev/null; then
        if ((COMP_CWORD == 2)); then
            _sentinel_offer "$(_sentinel_options "$command")"
            return
        fi
        command+=" ${COMP_WORDS[2]}"
        first=3
    fi
    words=$(_sentinel_words "$command")
    if [[ $words == @topics ]]; then
        words='@top@'
        ((COMP_CWORD == 2)) || words=$(_sentinel_seconds "${COMP_WORDS[2]}")
    fi
    for ((index = first; index < COMP_CWORD; index++)); do
        word=${COMP_WORDS[index]}
        if [[ -n $option ]]; then
            # The `=` of --option=value is a word of its own.
            [[ $word == = ]] || option=''
            continue
        fi
        case $word in
            --)
                [[ $words == @program ]] && _sentinel_program $((index + 1))
                return
                ;;
            -*)
                [[ $word == @profile@ ]] && profile=given
                _sentinel_value "$command" "$word" >/dev/null && option=$word
                ;;
            *)
                if [[ $words == @program && -n $profile ]]; then
                    _sentinel_program "$index"
                    return
                fi
                profile=given
                ;;
        esac
    done
    if [[ -n $option ]]; then
        [[ $cur == = ]] && cur=''
        _sentinel_offer "$(_sentinel_value "$command" "$option")"
    elif [[ $cur == -* || $words == @nothing ]]; then
        _sentinel_offer "$(_sentinel_options "$command")"
    elif [[ $words != @program ]]; then
        _sentinel_offer "$words"
    elif [[ -n $profile ]]; then
        _sentinel_program "$COMP_CWORD"
    else
        _sentinel_offer @profiles
    fi
}

complete -F _sentinel sentinel
