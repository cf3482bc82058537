import { createServer } from 'node:http';
import ms from 'ms';

const startedAt = Date.now();
const server = createServer((_request, response) => {
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  response.end(`Hello from Node ${process.version}, up for ${ms(Date.now() - startedAt, { long: true })}\n`);
});
server.listen(Number(process.env.PORT ?? 3000));

// Requests under way are answered; then the process ends by itself.
process.on('SIGTERM', () => server.close());
