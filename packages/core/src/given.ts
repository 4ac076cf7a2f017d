type Given<T> = { [K in keyof T]: Exclude<T[K], undefined> };
type Always<T> = { [K in keyof T]-?: undefined extends T[K] ? never : K }[keyof T];

/** Without the members that nobody gave: an absent member and an undefined one are not the same in what we write. */
export const given = <T extends object>(members: T): Partial<Given<T>> & Pick<Given<T>, Always<T>> =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as never;
