/** The frames of an attached connection, however they are cut on their way. */
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { FRAME, frame, messageFrame, readFrames, readMessage } from '../src/frames.js';

async function read(parts: readonly Buffer[]): Promise<[number, string][]> {
  const all: [number, string][] = [];
  for await (const { kind, data } of readFrames(Readable.from(parts))) {
    const last = all.at(-1);
    if (last !== undefined && last[0] === kind && data.length > 0) last[1] += data.toString();
    else all.push([kind, data.toString()]);
  }
  return all;
}

test('arrive as they were sent, cut anywhere', async () => {
  const sent = Buffer.concat([
    messageFrame({ exit: { code: 3 } }),
    frame(FRAME.output, Buffer.from('some output')),
    frame(FRAME.errors, Buffer.from('x')),
    frame(FRAME.input, Buffer.alloc(0)),
  ]);
  const wanted = [
    [FRAME.message, '{"exit":{"code":3}}'],
    [FRAME.output, 'some output'],
    [FRAME.errors, 'x'],
    [FRAME.input, ''],
  ];
  expect(await read([sent])).toEqual(wanted);
  expect(await read([...sent].map((byte) => Buffer.from([byte])))).toEqual(wanted);
  for (let at = 0; at <= sent.length; at += 1)
    expect(await read([sent.subarray(0, at), sent.subarray(at)])).toEqual(wanted);
});

test('what is no frame, or too long a message, is refused', async () => {
  await expect(read([Buffer.from('GET / HTTP/1.1\r\n')])).rejects.toMatchObject({ code: 'bad_request' });
  await expect(read([Buffer.from([1, 0, 9, 0, 0, 0, 0, 0])])).rejects.toMatchObject({ code: 'bad_request' });
  await expect(read([Buffer.from([3, 0, 0, 0, 255, 0, 0, 0])])).rejects.toMatchObject({
    code: 'bad_request',
    message: 'the connection carried a message of more than 524288 bytes',
  });
  for (const text of ['{', '"text"', 'null'])
    expect(() => readMessage(Buffer.from(text))).toThrow('not JSON');
});
