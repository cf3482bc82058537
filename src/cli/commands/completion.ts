/** Completion in shells: a few lines for each of them, which ask `completion:words` at every Tab. */
import type { AppView, ReleaseView } from '../../api/views.js';
import { checkAppName } from '../../model/app.js';
import { appTyped, type Candidate, complete } from '../completion.js';
import type { CommandGroup } from '../help.js';
import { type Command, EXIT, type Invocation, type OptionSpec, UsageError } from '../usage.js';

/** A Tab waits for nothing longer, in ms. */
const LONGEST_WAIT_MS = 1500;

const SCRIPTS: Readonly<Record<string, string>> = {
  // bash cuts words at colons, and puts back what comes after the last one.
  bash: String.raw`_slipway() {
  local line="$\{COMP_LINE:0:COMP_POINT}" words word current
  read -ra words <<<"$line"
  [[ $line == *" " ]] && words+=("")
  current="$\{words[-1]}"
  COMPREPLY=()
  while IFS=$'\t' read -r word _; do
    COMPREPLY+=("$\{word#"$\{current%"$\{current##*:}"}"}")
  done < <(slipway completion:words -- "$\{words[@]:1}" 2>/dev/null)
}
complete -o default -F _slipway slipway`,
  zsh: String.raw`#compdef slipway
_slipway() {
  local -a lines found shown
  lines=("$\{(@f)$(slipway completion:words -- "$\{(@)words[2,CURRENT]}" 2>/dev/null)}")
  found=("$\{(@)lines%%$'\t'*}")
  shown=("$\{(@)lines//$'\t'/  -- }")
  if [[ -n $found[1] ]]; then compadd -l -d shown -a found; else _files; fi
}
compdef _slipway slipway`,
  fish: `complete -c slipway -n __fish_is_first_arg -f
complete -c slipway -a '(slipway completion:words -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'`,
};

/** `groups` and `optionsOf` are those of main.ts, which has these two commands among them. */
export function completionCommands(
  groups: () => readonly CommandGroup[],
  optionsOf: (command: Command) => Readonly<Record<string, OptionSpec>>,
): readonly Command[] {
  const completion: Command = {
    name: 'completion',
    usage: Object.keys(SCRIPTS).join('|'),
    help: 'Print what makes a shell complete what you type. Commands, options, and names of apps and releases.',
    examples: [
      'source <(slipway completion bash)                                # in ~/.bashrc',
      'source <(slipway completion zsh)                                 # in ~/.zshrc, after compinit',
      'slipway completion fish > ~/.config/fish/completions/slipway.fish',
    ],
    ofApp: false,
    args: { min: 1, max: 1 },
    async run({ args: [shell = ''], output }) {
      // Only a backslash keeps a raw template from taking the shells' own braces for its own.
      const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell]?.replaceAll('$\\{', '${') : undefined;
      if (script === undefined)
        throw new UsageError(
          `there is no completion for ${JSON.stringify(shell.slice(0, 40))}`,
          `there is one for ${Object.keys(SCRIPTS).join(', ')}`,
        );
      output.result({ shell, script }, script.split('\n'));
      return EXIT.done;
    },
  };
  const words: Command = {
    name: 'completion:words',
    usage: '-- [WORD...]',
    help: 'Print what the last word may become. One candidate a line, before a tab and what it means.',
    examples: ['slipway completion:words -- releases:i'],
    ofApp: false,
    takesCommand: true,
    args: { min: 0, max: 1000 },
    async run(invocation) {
      const found = complete(invocation.args, groups(), optionsOf);
      const current = invocation.args.at(-1) ?? '';
      const candidates =
        'words' in found
          ? found.words
          : (await namesOf(found.names, invocation)).filter(({ word }) => word.startsWith(current));
      const lines = candidates.map(({ word, about }) => (about === undefined ? word : `${word}\t${about}`));
      invocation.output.result({ words: candidates }, lines);
      return EXIT.done;
    },
  };
  return [completion, words];
}

/** Whoever presses Tab wants names, not errors: none when the platform does not answer. */
async function namesOf(kind: 'apps' | 'releases', invocation: Invocation): Promise<Candidate[]> {
  const late = new Promise<Candidate[]>((resolve) => {
    setTimeout(() => resolve([]), LONGEST_WAIT_MS).unref();
  });
  return Promise.race([late, askFor(kind, invocation).catch(() => [])]);
}

async function askFor(kind: 'apps' | 'releases', invocation: Invocation): Promise<Candidate[]> {
  const client = await invocation.client();
  if (kind === 'apps') {
    const { apps } = await client.get<{ apps: AppView[] }>('/v1/apps');
    return apps.map(({ name }) => ({ word: name }));
  }
  const typed = appTyped(invocation.args);
  const app = typed === undefined ? await invocation.app() : checkAppName(typed);
  const { releases } = await client.get<{ releases: ReleaseView[] }>(`/v1/apps/${app}/releases`);
  return releases.map(({ number, description }) => ({ word: `v${number}`, about: description }));
}
