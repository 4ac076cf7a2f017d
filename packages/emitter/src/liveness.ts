import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * A process's folder is alive while its Unix socket accepts: the kernel closes the socket with the process, however it ends, so unlike a
 * pid file it cannot point to somebody else.
 */

const socketName = "alive";
/** `sun_path` has room for 107 bytes and its zero on Linux, 103 on macOS. */
const maxSocketPath = 103;

/** In the folder, or where that path is too long for a socket, under a name in the temporary folder that follows from it. */
export function socketPath(dir: string): string {
  const inside = join(dir, socketName);
  if (Buffer.byteLength(inside) <= maxSocketPath) return inside;
  const hash = createHash("sha256").update(dir).digest("hex").slice(0, 32);
  return join(tmpdir(), `tooltrail-${hash}.alive`);
}

/** Listens; connections are closed at once, and neither they nor the server keep the process alive. */
export async function holdAlive(path: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  server.unref();
  server.listen(path);
  await once(server, "listening");
  return server;
}

/** @returns false only when the kernel says that nobody listens there. In doubt a folder is alive: it is never taken from the living. */
export async function isAlive(dir: string): Promise<boolean> {
  const socket = connect(socketPath(dir));
  try {
    await once(socket, "connect");
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code !== "ECONNREFUSED" && code !== "ENOENT";
  } finally {
    socket.destroy();
  }
}
