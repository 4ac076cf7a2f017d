/** Whether an address is on this machine: what goes there needs no transport security. */
export const isLoopback = ({ hostname }: URL): boolean => /^(127(\.\d{1,3}){3}|localhost|\[::1\])$/.test(hostname);
