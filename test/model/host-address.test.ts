import { describe, expect, it } from 'vitest';
import {
  formatEngineAddress,
  formatHostAddress,
  isSwarmAddress,
  parseHostAddress,
} from '../../src/model/host-address.js';

describe('the address of a Swarm', () => {
  it.each([
    [
      'swarm+ssh://deploy@Manager.example',
      'swarm+ssh://deploy@manager.example:22',
      'ssh://deploy@manager.example:22',
    ],
    ['swarm+tcp://10.0.0.5:2376', 'swarm+tcp://10.0.0.5:2376', 'tcp://10.0.0.5:2376'],
    ['swarm+unix:///run/docker.sock', 'swarm+unix:///run/docker.sock', 'unix:///run/docker.sock'],
  ])("%s is that of its manager's engine, marked", (text, formatted, engine) => {
    const address = parseHostAddress(text);
    expect(address.swarm).toBe(true);
    expect(formatHostAddress(address)).toBe(formatted);
    expect(formatEngineAddress(address)).toBe(engine);
    expect([isSwarmAddress(formatted), isSwarmAddress(engine)]).toEqual([true, false]);
  });

  it('is no address with anything else in front or behind', () => {
    expect(parseHostAddress('tcp://10.0.0.5:2376').swarm).toBeUndefined();
    for (const text of [
      'swarm+swarm+tcp://10.0.0.5:2376',
      'swarm+http://10.0.0.5',
      'swarm+',
      'swarm+tcp://10.0.0.5',
    ])
      expect(() => parseHostAddress(text), text).toThrow(/is not the address of a host/);
  });
});
