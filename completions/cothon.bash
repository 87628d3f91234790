# Completion of cothon(1) for bash. It stands where bash-completion looks for it, under the name "cothon",
# and asks the program itself what may come.

# Completes the command that begins behind the first $1 of the words. bash counts more of them: it divides
# "80:80" in three.
_cothon_command() {
	local i text place=0
	for ((i = 0; i < $1; i++)); do
		text=
		while [[ $text != "${words[i]}" ]] && ((place < COMP_CWORD)); do
			text+=${COMP_WORDS[place++]}
		done
	done
	_command_offset "$place"
}

_cothon() {
	local cur words cword word
	COMPREPLY=()
	# As they are written: a colon or an equals sign divides nothing.
	_get_comp_words_by_ref -n '=:' cur words cword
	while IFS=$'\t' read -r word _; do
		case $word in
		:files)
			# Behind "--log=" it is the part behind the equals sign that becomes a file's name.
			case $cur in
			--*=*) cur=${cur#*=} && _filedir && return ;;
			*) _filedir && return ;;
			esac
			;;
		':command '*)
			_cothon_command "$((${word#* } + 1))"
			return
			;;
		*) COMPREPLY+=("$word") ;;
		esac
	done < <("${words[0]}" __complete "${words[@]:1:cword}" 2>/dev/null)
	case $cur in
	--*=*) COMPREPLY=("${COMPREPLY[@]#*=}") ;;
	*) __ltrim_colon_completions "$cur" ;;
	esac
} && complete -F _cothon cothon
