/** Reading server-sent events (HTML Living Standard, 9.2.6 "Interpreting an event stream"), with LF at the end of lines. */
export interface ServerSentEvent {
  readonly name: string;
  readonly data: string;
}

/** An event that is not complete when the stream ends is dropped. */
export async function* serverSentEvents(
  stream: AsyncIterable<Uint8Array>,
): AsyncGenerator<ServerSentEvent, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const part of stream) {
    const blocks = (rest + decoder.decode(part, { stream: true })).split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = block.split('\n');
      const field = (name: string): string =>
        fields
          .filter((line) => line.startsWith(`${name}: `))
          .map((line) => line.slice(name.length + 2))
          .join('\n');
      const data = field('data');
      if (data !== '') yield { name: field('event'), data };
    }
  }
}
