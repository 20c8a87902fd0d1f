"""What a shell runs to complete ``esperctl``. Each asks the program itself, so that it need not be made anew.

The answer is one candidate a line, in zsh and fish with a tab and a description behind it; ``:files`` asks for names of
files, too.
"""

from typing import Final

_BASH: Final = """\
# bash completion of esperctl. In ~/.bashrc: source <(esperctl completion bash)
_esperctl() {
    local line file program=${COMP_WORDS[0]/#\\~/$HOME}
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ $line == :files ]]; then
            compopt -o filenames 2>/dev/null
            while IFS= read -r file; do
                COMPREPLY+=("$file")
            done < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}")
        else
            COMPREPLY+=("$line")
        fi
    done < <("$program" __complete bash "$COMP_WORDBREAKS" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
}
complete -F _esperctl esperctl
"""
_ZSH: Final = """\
#compdef esperctl
# zsh completion of esperctl. In ~/.zshrc, after compinit: source <(esperctl completion zsh)
_esperctl() {
    local line value program=${(Q)words[1]/#\\~/$HOME}
    local -a found
    local -i files=0
    while IFS= read -r line; do
        if [[ $line == :files ]]; then
            files=1
        else
            value=${line%%$'\\t'*}
            found+=("${value//:/\\\\:}:${line#*$'\\t'}")
        fi
    done < <("$program" __complete zsh "${(@Q)words[2,CURRENT]}" 2>/dev/null)
    (( $#found )) && _describe -V esperctl found
    (( files )) && { compset -P '--*='; _files }
    return 0
}
if [[ $funcstack[1] == _esperctl ]]; then
    _esperctl "$@"
else
    compdef _esperctl esperctl
fi
"""
_FISH: Final = """\
# fish completion of esperctl. esperctl completion fish > ~/.config/fish/completions/esperctl.fish
function __esperctl_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program (string replace -r '^~' "$HOME" -- $words[1])
    for line in ($program __complete fish $words[2..-1] "$current" 2>/dev/null)
        if test "$line" = :files
            __fish_complete_path "$current"
        else
            echo -- $line
        end
    end
end
complete -c esperctl -f -a '(__esperctl_complete)'
"""
SCRIPTS: Final = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}
