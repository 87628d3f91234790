# Completion of cothon(1) for fish. It stands in a folder of $fish_complete_path, under the name
# "cothon.fish", and asks the program itself what may come.

function __cothon_complete
    # The words before the cursor, of which the last is not finished.
    set -l words (commandline -opc) (commandline -ct)
    for line in ($words[1] __complete $words[2..-1] 2>/dev/null)
        switch $line
            case :files
                # Behind "--log=" it is the part behind the equals sign that becomes a file's name.
                set -l lead (string match -r -- '^--[^=]*=' $words[-1])
                for path in (__fish_complete_path (string replace -- "$lead" '' $words[-1]))
                    echo "$lead$path"
                end
            case ':command *'
                # The words before the command are none of its own.
                set -l first (math (string split ' ' -- $line)[2] + 2)
                complete -C (string join -- ' ' (string escape -- $words[$first..-2]) $words[-1])
            case '*'
                echo $line
        end
    end
end

complete -c cothon -f -a '(__cothon_complete)'
