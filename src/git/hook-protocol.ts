/**
 * What the hook program and the web process say to each other over the hook socket, in pkt-lines.
 *
 *   hook → web   `push <push id>`, `atomic`?, `update <old> <new> <ref>`…, `option <text>`…, flush
 *   web → hook   packets whose first byte is a band, then a flush; the end of the stream without one means the web process died
 */

/** Names the socket to the hook. */
export const SOCKET_VARIABLE = 'SLIPWAY_HOOK_SOCKET';
/** The one-time id under which the web process knows who pushes. */
export const PUSH_ID_VARIABLE = 'SLIPWAY_PUSH_ID';

/** A line for git: `ok …`, `option …` or `ng …`. */
export const BAND_REPORT = 1;
/** Bytes for the pusher's terminal. */
export const BAND_LOG = 2;
/** `<app> <build id>`: from here on the push is kept, whatever happens to this connection. */
export const BAND_ACCEPTED = 3;
