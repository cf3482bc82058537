/** What a commit's Procfile and app.json say together. Pure. */
import { type Declared, type DeclaredProcess, WEB_TYPE } from '../model/process.js';
import { type AppJson, appJsonInvalid, type DeclaredFormation, parseAppJson } from './app-json.js';
import { commandArgv } from './command.js';
import { parseProcfile } from './procfile.js';

/** A commit without either file: the image's own command as `web`. Throws `procfile_invalid` or `app_json_invalid`. */
export function declaredProcesses(files: {
  readonly procfile?: string;
  readonly appJson?: string;
}): Declared {
  const { commands, release } = parseProcfile(files.procfile ?? '');
  const { formation, strategy }: AppJson =
    files.appJson === undefined
      ? { formation: new Map<string, DeclaredFormation>() }
      : parseAppJson(files.appJson);
  const types = [WEB_TYPE, ...[...commands.keys()].filter((type) => type !== WEB_TYPE)];
  for (const [type, { line }] of formation)
    if (!types.includes(type))
      throw appJsonInvalid(line, `formation names ${type}, which the Procfile does not have`);
  const processes = types.map((type): DeclaredProcess => {
    const command = commands.get(type);
    const { quantity, resources } = formation.get(type) ?? {};
    return {
      type,
      ...(command === undefined ? {} : { command: commandArgv(command) }),
      ...(quantity === undefined ? {} : { quantity }),
      ...(resources === undefined ? {} : { resources }),
    };
  });
  return {
    processes,
    ...(release === undefined ? {} : { releasePhase: commandArgv(release) }),
    ...(strategy === undefined ? {} : { strategy }),
  };
}
