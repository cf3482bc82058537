import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, expect, it } from 'vitest';
import { ARCHIVE_HEAD_BYTES, archiveFormat } from '../../src/dockerfile/add.js';

const directory = mkdtempSync(join(tmpdir(), 'slipway-add-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

it('knows the archives that ADD would unpack', () => {
  writeFileSync(join(directory, 'a'), 'text');
  execFileSync('tar', ['-cf', join(directory, 'a.tar'), '-C', directory, 'a']);
  execFileSync('tar', ['--format=v7', '-cf', join(directory, 'v7.tar'), '-C', directory, 'a']);
  const tar = readFileSync(join(directory, 'a.tar'));
  expect(archiveFormat(tar.subarray(0, ARCHIVE_HEAD_BYTES))).toBe('tar');
  expect(archiveFormat(readFileSync(join(directory, 'v7.tar')).subarray(0, ARCHIVE_HEAD_BYTES))).toBe('tar');
  expect(archiveFormat(gzipSync(tar))).toBe('gzip');
  expect(archiveFormat(Uint8Array.from([0x42, 0x5a, 0x68, 0x39]))).toBe('bzip2');
  expect(archiveFormat(Uint8Array.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]))).toBe('xz');
  expect(archiveFormat(Uint8Array.from([0x28, 0xb5, 0x2f, 0xfd]))).toBe('zstd');
});

it('takes nothing else for one', () => {
  expect(archiveFormat(new Uint8Array())).toBeUndefined();
  expect(archiveFormat(Buffer.from('#!/bin/sh\n'.repeat(100)))).toBeUndefined();
  expect(archiveFormat(new Uint8Array(512))).toBeUndefined();
  expect(archiveFormat(Buffer.alloc(512, '0'))).toBeUndefined();
});
