/** All that was written, on the disks: so that nobody is measured while another's data still goes there. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

export async function flushDisks(): Promise<void> {
  await promisify(execFile)('sync');
}
