// As contestant.py, for whatsapp-chat-parser: node contestant.mjs MODULE FILE TEXTS
import fs from 'node:fs';
import zlib from 'node:zlib';
import { pathToFileURL } from 'node:url';

const [module, path, texts] = process.argv.slice(2);
const whatsapp = await import(pathToFileURL(module).href);
const started = Date.now() / 1000;
const clock = process.cpuUsage();
const messages = whatsapp.parseString(fs.readFileSync(path, 'utf8'), { parseAttachments: true });
const used = process.cpuUsage(clock);
const seconds = (used.user + used.system) / 1e6;
const ended = Date.now() / 1000;
// As in contestant.py: the process that started this one does not count.
const status = fs.existsSync('/proc/self/status') ? fs.readFileSync('/proc/self/status', 'utf8') : '';
const peak = Number(status.match(/VmHWM:\s*(\d+)/)?.[1] ?? process.resourceUsage().maxRSS);
const memory = peak / 1024;
const sums = new BigUint64Array(messages.length);
let people = 0;
messages.forEach((message, at) => {
  if (message.author !== null) people += 1;
  const text = message.message.replace(/^[ \n\u200e]+|[ \n\u200e]+$/g, '');
  sums[at] = BigInt(zlib.crc32(text));
});
fs.writeFileSync(texts, Buffer.from(sums.buffer));
console.log(JSON.stringify({ seconds, started, ended, memory, people, notices: messages.length - people }));
