/** The types of the client package, client/types.ts, out of the document of the API. Pure. */
import { typeText } from './json-types.js';
import type { ApiDocument, JsonSchema, Operation, Parameter } from './openapi.js';

export function clientTypes({ paths, components }: ApiDocument): string {
  const named = Object.entries(components.schemas).map(
    ([name, schema]) => `export type ${name} = ${typeText(schema)};\n`,
  );
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods)
      // A connection that is upgraded is nothing that can be fetched.
      .filter(([, { responses }]) => responses[101] === undefined)
      .map(([method, operation]) => routeText(`${method.toUpperCase()} ${path}`, operation)),
  );
  return `// Made of the descriptions of the routes; test/client/types.test.ts holds it against them.

${named.join('\n')}
/** What each route takes and answers. */
export interface Routes {
${routes.join('\n')}
}
`;
}

function routeText(name: string, { summary, parameters, requestBody, responses }: Operation): string {
  const params = parameters.filter((each) => each.in === 'path');
  const query = parameters.filter((each) => each.in === 'query');
  const body = requestBody?.content['application/json']?.schema;
  const parts = [
    ...(params.length === 0 ? [] : [`params: ${typeText(objectOf(params), '    ')}`]),
    ...(query.length === 0 ? [] : [`query?: ${typeText(objectOf(query), '    ')}`]),
    ...(body === undefined ? [] : [`body${requestBody?.required ? '' : '?'}: ${typeText(body, '    ')}`]),
    `answer: ${answerText(responses)}`,
  ];
  return [
    `  /** ${summary} */`,
    `  '${name}': {`,
    ...parts.map((part) => `    readonly ${part};`),
    '  };',
  ].join('\n');
}

function answerText(responses: Operation['responses']): string {
  const types = Object.entries(responses)
    .filter(([status]) => status !== 'default')
    .flatMap(([, { content = {} }]) =>
      Object.entries(content).map(([type, { schema }]) =>
        type === 'application/json' ? typeText(schema, '    ') : 'string',
      ),
    );
  return [...new Set(types)].join(' | ');
}

function objectOf(parameters: readonly Parameter[]): JsonSchema {
  return {
    type: 'object',
    properties: Object.fromEntries(
      parameters.map(({ name, schema, description }) => [
        name,
        description === undefined ? schema : { ...schema, description },
      ]),
    ),
    required: parameters.filter(({ required }) => required).map(({ name }) => name),
  };
}
