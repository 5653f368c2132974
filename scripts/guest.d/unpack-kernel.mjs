// unpack-kernel.mjs BZIMAGE OUT: extracts the ELF kernel from a compressed one (Documentation/x86/boot.rst, "payload").
import { readFileSync, writeFileSync } from "node:fs";
import { spawnSync } from "node:child_process";

const [source, target] = process.argv.slice(2);
const image = readFileSync(source);
const HEADER = 0x1f1; // setup_sects, then the fields of the boot protocol
const setupBytes = (image[HEADER] + 1) * 512;
const offset = image.readUInt32LE(0x248);
const length = image.readUInt32LE(0x24c);
const payload = image.subarray(setupBytes + offset, setupBytes + offset + length);
const formats = [
  { magic: "fd377a585a", program: "xz" },
  { magic: "28b52ffd", program: "zstd" },
  { magic: "1f8b", program: "gzip" },
  { magic: "02214c18", program: "lz4" },
];
const format = formats.find(({ magic }) => payload.toString("hex", 0, magic.length / 2) === magic);
if (!format) throw new Error(`unpack "${source}": unknown compression ${payload.toString("hex", 0, 6)}`);
// Ignore the exit status: the unpacked size follows the compressed data, and the programs complain about it as trailing garbage.
const { stdout, error } = spawnSync(format.program, ["-dc"], { input: payload, maxBuffer: 2 ** 30 });
if (error || stdout.toString("latin1", 0, 4) !== "\x7fELF") throw new Error(`unpack "${source}": ${format.program} made no ELF file`);
writeFileSync(target, stdout);
