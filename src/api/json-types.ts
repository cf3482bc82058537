/** JSON schemas as TypeScript writes types: for people who read the document of the API, and for the client package. Pure. */
import type { JsonSchema } from './openapi.js';

const PLAIN: Readonly<Record<string, string>> = {
  string: 'string',
  number: 'number',
  integer: 'number',
  boolean: 'boolean',
  null: 'null',
};

/** Names of schemas stay names. `indent` is that of the line it begins in. */
export function typeText(schema: JsonSchema, indent = ''): string {
  const { $ref, type, properties, required = [] } = schema;
  if ($ref !== undefined) return $ref.slice($ref.lastIndexOf('/') + 1);
  if ('const' in schema) return JSON.stringify(schema.const);
  if (Array.isArray(schema.enum)) return schema.enum.map((value) => JSON.stringify(value)).join(' | ');
  const choices = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(choices)) return choices.map((each: JsonSchema) => typeText(each, indent)).join(' | ');
  if (Array.isArray(type))
    return type.map((each: string) => typeText({ ...schema, type: each }, indent)).join(' | ');
  if (type === 'array') return arrayText(schema, indent);
  if (type !== 'object') return PLAIN[String(type)] ?? 'unknown';
  if (properties === undefined) {
    const values = schema.additionalProperties as JsonSchema | undefined;
    return `{ readonly [name: string]: ${values === undefined ? 'unknown' : typeText(values, indent)} }`;
  }
  const lines = Object.entries(properties).flatMap(([name, property]) => [
    ...(property.description === undefined ? [] : [`${indent}  /** ${property.description} */`]),
    `${indent}  readonly ${propertyName(name)}${required.includes(name) ? '' : '?'}: ${typeText(property, `${indent}  `)};`,
  ]);
  return lines.length === 0 ? '{}' : `{\n${lines.join('\n')}\n${indent}}`;
}

function arrayText(schema: JsonSchema, indent: string): string {
  const items = (schema.items ?? {}) as JsonSchema;
  const each = typeText(items, indent);
  const isPlain = [items.anyOf, items.oneOf, items.enum].every((several) => several === undefined);
  return `readonly ${isPlain && !Array.isArray(items.type) && items.type !== 'array' ? each : `(${each})`}[]`;
}

function propertyName(name: string): string {
  return /^[A-Za-z_]\w*$/.test(name) ? name : JSON.stringify(name);
}
