/* SPDX-License-Identifier: Apache-2.0 */
/* Burns in Java methods, then says so: java Burn SECONDS */
public class Burn {
	static long mix(long a, long b) {
		long x = a;
		for (int i = 0; i < 2000; i++)
			x = x * 6364136223846793005L + b;
		return x;
	}

	static long inner(long sum) {
		for (int i = 0; i < 50; i++)
			sum += mix(sum, i);
		return sum;
	}

	static long outer(long end) {
		long sum = 0;
		while (System.nanoTime() < end)
			sum = inner(sum);
		return sum;
	}

	public static void main(String[] arguments) {
		long second = 1000000000L;
		/* Compiled by then. */
		outer(System.nanoTime() + second / 2);
		System.out.println("warm");
		outer(System.nanoTime() + second * Long.parseLong(arguments[0]));
	}
}
