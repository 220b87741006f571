# fish completion for sentinel, written by `sentinel completions fish`.

function __sentinel_profiles
    set -l file ~/.aws/config
    set -q AWS_CONFIG_FILE; and set file $AWS_CONFIG_FILE
    test -f "$file" -a -r "$file"
    and string replace -rf '^\s*\[\s*(?:profile\s+["\']?([^\]"\']*[^\]"\'\s])["\']?|(default))\s*\].*' '$1$2' <$file
end

# Prints the index of the first word of the command that exec runs, if it has begun before or at the cursor.
function __sentinel_program
    set -l words (commandline -opc) (commandline -ct)
    contains -- "$words[2]" @with_program@; or return 1
    set -l profile ''
    set -l option ''
    set -l index 3
    while test $index -le (count $words)
        set -l word $words[$index]
        if test -n "$option"
            set option ''
        else
            switch $word
                case --
                    test $index -lt (count $words); and math $index + 1; and return 0
                    return 1
                case '@profile@=*'
                    set profile given
                case @profile@
                    set profile given
                    set option given
                case @with_value@
                    set option given
                case '-*'
                case '*'
                    test -n "$profile"; and echo $index; and return 0
                    set profile given
            end
        end
        set index (math $index + 1)
    end
    return 1
end

# Completes that command as if it stood alone.
function __sentinel_complete_program
    set -l start (__sentinel_program)
    set -l words (commandline -opc)
    complete -C (string join ' ' -- (string escape -- $words[$start..-1]) (commandline -ct))
end

# Whether the cursor is where the words and options of command $argv are wanted; without one, a command. An empty second word:
# it is wanted.
function __sentinel_at
    set -l words (commandline -opc)
    test "$words[2]" = "$argv[1]"; or return 1
    test (count $argv) -lt 2 -o "$words[3]" = "$argv[2]"; or return 1
    not contains -- "$argv[1]" @with_program@; or not __sentinel_program >/dev/null
end

complete -c sentinel -f
complete -c sentinel -n '__sentinel_program >/dev/null' -x -a '(__sentinel_complete_program)'
@complete@
