/** What the pictures have in common: text and colours that suit a light and a dark page. */

export const STYLE: string = `<style>
text { font: 12px system-ui, sans-serif; fill: #24292f; }
.strong { font-weight: 600; } .small { font-size: 10.5px; } .soft { fill: #6e7781; }
.ours { fill: #1a7f64; } .peer { fill: #8c959f; } .other { fill: #c4c9cf; }
.line { fill: none; stroke: #1a7f64; stroke-width: 2; } .line2 { fill: none; stroke: #bf6a02; stroke-width: 2; }
.dot { fill: #1a7f64; } .dot2 { fill: #bf6a02; } .grid { stroke: #d0d7de; stroke-width: 1; }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3; } .soft { fill: #8d96a0; }
  .ours { fill: #3fb68b; } .peer { fill: #848d97; } .other { fill: #4d555e; }
  .line { stroke: #3fb68b; } .line2 { stroke: #e3993b; }
  .dot { fill: #3fb68b; } .dot2 { fill: #e3993b; } .grid { stroke: #30363d; }
}
</style>`;

export function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
