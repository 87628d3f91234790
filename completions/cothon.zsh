#compdef cothon
# Completion of cothon(1) for zsh. It stands in a folder of $fpath, under the name "_cothon", and asks the
# program itself what may come.

local line word before
local -a candidates

for line in ${(f)"$(${(Q)words[1]} __complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)"}; do
	word=${line%%$'\t'*}
	case $word in
	:files)
		# Behind "--log=" it is the part behind the equals sign that becomes a file's name.
		compset -P '--*='
		_files
		return
		;;
	:command\ *)
		# The words before the command are none of its own.
		before=$((${word#* } + 1))
		shift $before words
		((CURRENT -= before))
		_normal
		return
		;;
	esac
	# _describe divides at the first colon that is not quoted.
	candidates+=("${word//:/\\:}${${line:${#word}}/$'\t'/:}")
done
if [[ $PREFIX == -* ]]; then
	_describe -o option candidates
else
	_describe word candidates
fi
