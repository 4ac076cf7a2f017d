import { buildCommand, type CommandContext } from "@stricli/core";
import { parseVkey, type VerifierKey, vkeyText } from "@tooltrail/format/log";
import { Refused } from "./client.ts";

interface WitnessFlags {
  readonly data: string;
  readonly port: number;
  readonly host: string;
  readonly name?: string;
  readonly log: readonly string[];
}

function port(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new Error(`"${text}" is not a port (0 to 65535)`);
  return Number(text);
}

export const witnessCommand = buildCommand<WitnessFlags, [], CommandContext>({
  docs: {
    brief: "Watch logs, and sign what they sign as long as they only grow",
    fullDescription:
      "Answers add-checkpoint (C2SP tlog-witness) over HTTP, and prints its own key (vkey) for the policies of those who trust it. To be run by a second party: never by whoever runs the log.",
  },
  parameters: {
    flags: {
      data: {
        kind: "parsed",
        parse: String,
        brief: "where its key and what it has signed are kept",
        placeholder: "DIR",
      },
      port: { kind: "parsed", parse: port, brief: "0 for any free one", default: "4748", placeholder: "N" },
      host: {
        kind: "parsed",
        parse: String,
        brief: "the address to listen on",
        default: "127.0.0.1",
        placeholder: "ADDR",
      },
      name: {
        kind: "parsed",
        parse: String,
        optional: true,
        brief: "its name in cosignatures, when its key is made",
        placeholder: "NAME",
      },
      log: { kind: "parsed", parse: String, variadic: true, brief: "a log's public key (vkey)", placeholder: "VKEY" },
    },
  },
  async func({ data, port, host, name, log }) {
    if (log.length === 0) throw new Refused(400, "--log: a witness needs a log to watch.");
    const logs = log.map((vkey) => usable("--log", () => logKeyOf(vkey)));
    const { openWitness } = await import("./witness-state.ts");
    const { serveWitness } = await import("./witness-server.ts");
    const witness = openWitness(data, name, logs);
    const server = await serveWitness(witness, { host, port });
    this.process.stdout.write(`${vkeyText(witness.key)}\n`);
    process.stderr.write(
      `tooltrail: the witness is ready on ${server.address}; watching ${logs.map((key) => key.name).join(", ")}\n`,
    );
    const stop = (): void => {
      for (const signal of ["SIGTERM", "SIGINT"] as const) process.off(signal, stop);
      server.stop().then(() => witness.close());
    };
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, stop);
  },
});

function logKeyOf(vkey: string): VerifierKey {
  const key = parseVkey(vkey);
  if (key.type !== 1) throw new Error(`${key.name}'s is a witness's key, not a log's.`);
  return key;
}

function usable<T>(flag: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new Refused(400, `${flag}: ${(error as Error).message}`);
  }
}
