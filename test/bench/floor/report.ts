/** The rates of a machine and the floor of each case, as tables. */
import { OURS, type Results } from '../report/results.js';
import type { Table } from '../report/table.js';
import { time } from '../report/units.js';
import { DEMANDS, floorMs } from './demands.js';
import type { Rates } from './rates.js';

export function ratesTable(rates: Rates): Table {
  return {
    head: ['what', 'with', 'rate'],
    rows: [
      ['hash', 'SHA-256', `${rates.hashMBs} MB/s`],
      ['compress and hash', "the addon's layer writer", `${rates.compressMBs} MB/s`],
      ['inflate', 'zlib', `${rates.inflateMBs} MB/s`],
      ['write', 'to disk, synced', `${rates.writeMBs} MB/s`],
      ['send', 'loopback TCP', `${rates.sendMBs} MB/s`],
      ['start a program', 'in new namespaces', time(rates.startMs)],
      ['create a file', 'empty', time(rates.createFileMs)],
      ['ask the registry', 'connection open', time(rates.requestMs)],
    ],
  };
}

/** Of the cases that were measured. */
export function floorTable(rates: Rates, { cases, machine }: Results): Table {
  return {
    head: ['case', 'what has to be', 'floor', 'ours', 'distance'],
    rows: cases.flatMap(({ id, sides }) => {
      const demand = DEMANDS[id];
      const ours = sides.find(({ name }) => name === OURS)?.median.wallMs;
      if (demand === undefined || ours === undefined) return [];
      const floor = floorMs(demand, rates, Number(machine.cores) || 1);
      return [[id, demand.why, time(floor), time(ours), `× ${(ours / floor).toFixed(1)}`]];
    }),
  };
}
