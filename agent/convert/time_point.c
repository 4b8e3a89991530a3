/* SPDX-License-Identifier: Apache-2.0 */
#include "convert/time_point.h"

#include <string.h>
#include <time.h>

#define US_PER_S INT64_C(1000000)

enum {
	OFFSET_DIGITS_MAX = 10, /* 300 years, which no sum of microseconds overflows */
	FRACTION_DIGITS_MAX = 6,
	SECONDS_PER_DAY = 86400,
	YEAR_LEAST = 1970,
	YEAR_MOST = 2200,
};

/* A decimal number of @digits_least to @digits_most digits. */
static bool take_number(const char **at, int digits_least, int digits_most, int64_t *ret_number)
{
	int64_t number = 0;
	int digits = 0;

	while (digits < digits_most && **at >= '0' && **at <= '9') {
		number = number * 10 + (*(*at)++ - '0');
		digits++;
	}
	*ret_number = number;
	return digits >= digits_least;
}

/* Two digits, at most @most. */
static bool take_two(const char **at, int64_t most, int64_t *ret_number)
{
	return take_number(at, 2, 2, ret_number) && *ret_number <= most;
}

static bool take_letter(const char **at, char letter)
{
	if (**at != letter)
		return false;
	(*at)++;
	return true;
}

/* ".250", in microseconds; 0 when there is none. */
static bool take_fraction(const char **at, int64_t *ret_us)
{
	const char *begin;
	int64_t us;

	*ret_us = 0;
	if (!take_letter(at, '.'))
		return true;
	begin = *at;
	if (!take_number(at, 1, FRACTION_DIGITS_MAX, &us))
		return false;
	for (long digits = *at - begin; digits < FRACTION_DIGITS_MAX; digits++)
		us *= 10;
	*ret_us = us;
	return true;
}

/* "12:04", "12:04:31", "12:04:31.250". */
static bool take_day_time(const char **at, int64_t *ret_us)
{
	int64_t hour, minute, second = 0, us = 0;

	if (!take_two(at, 23, &hour) || !take_letter(at, ':') || !take_two(at, 59, &minute))
		return false;
	if (take_letter(at, ':') && (!take_two(at, 59, &second) || !take_fraction(at, &us)))
		return false;
	*ret_us = ((hour * 60 + minute) * 60 + second) * US_PER_S + us;
	return true;
}

/* "Z", "+01:00": how much that zone is ahead. */
static bool take_zone(const char **at, int64_t *ret_ahead_us)
{
	int64_t hour, minute, sign = **at == '-' ? -1 : 1;

	*ret_ahead_us = 0;
	if (take_letter(at, 'Z'))
		return true;
	if ((!take_letter(at, '+') && !take_letter(at, '-')) || !take_two(at, 23, &hour))
		return false;
	take_letter(at, ':');
	if (!take_two(at, 59, &minute))
		return false;
	*ret_ahead_us = sign * (hour * 60 + minute) * 60 * US_PER_S;
	return true;
}

static int days_of_month(int64_t year, int64_t month)
{
	static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

static bool take_date(const char **at, struct time_point *point)
{
	int64_t year, month, day;

	if (!take_number(at, 4, 4, &year) || year < YEAR_LEAST || year > YEAR_MOST ||
	    !take_letter(at, '-') || !take_two(at, 12, &month) || month < 1 ||
	    !take_letter(at, '-') || !take_two(at, 31, &day) || day < 1 ||
	    day > days_of_month(year, month))
		return false;
	point->year = (int32_t)year;
	point->month = (uint8_t)month;
	point->day = (uint8_t)day;
	return true;
}

static bool parse_dated(const char *text, struct time_point *point)
{
	struct tm utc = { 0 };
	int64_t ahead_us;

	point->kind = TIME_POINT_DATE;
	if (!take_date(&text, point) || (!take_letter(&text, 'T') && !take_letter(&text, ' ')) ||
	    !take_day_time(&text, &point->us))
		return false;
	if (!*text)
		return true;
	if (!take_zone(&text, &ahead_us) || *text)
		return false;
	utc.tm_year = point->year - 1900;
	utc.tm_mon = point->month - 1;
	utc.tm_mday = point->day;
	point->us += (int64_t)timegm(&utc) * US_PER_S - ahead_us;
	point->kind = TIME_POINT_WALL;
	return true;
}

static bool parse_day_time(const char *text, struct time_point *point)
{
	point->kind = TIME_POINT_DAY_TIME;
	return take_day_time(&text, &point->us) && !*text;
}

static bool parse_offset(const char *text, struct time_point *point)
{
	int64_t seconds, us;

	point->kind = TIME_POINT_OFFSET;
	if (!take_number(&text, 1, OFFSET_DIGITS_MAX, &seconds) || !take_fraction(&text, &us))
		return false;
	take_letter(&text, 's');
	point->us = seconds * US_PER_S + us;
	return !*text;
}

int time_point_parse(const char *text, struct time_point *ret_point)
{
	struct time_point point = { 0 };
	bool right = strchr(text, '-')	 ? parse_dated(text, &point)
		     : strchr(text, ':') ? parse_day_time(text, &point)
					 : parse_offset(text, &point);

	if (!right)
		return TIME_POINT_WRONG;
	*ret_point = point;
	return 0;
}

/* Seconds since the epoch of midnight here, @days after the date of @date. */
static int64_t wall_us(struct tm date, int days, int64_t day_us)
{
	/* By the fields of a date, so that days of 23 and 25 hours have their own hours. */
	date.tm_mday += days;
	date.tm_hour = (int)(day_us / (3600 * US_PER_S));
	date.tm_min = (int)(day_us / (60 * US_PER_S) % 60);
	date.tm_sec = (int)(day_us / US_PER_S % 60);
	date.tm_isdst = -1;
	return (int64_t)mktime(&date) * US_PER_S + day_us % US_PER_S;
}

static int64_t day_time_us(int64_t day_us, int64_t zero_wall_us)
{
	time_t seconds = (time_t)(zero_wall_us / US_PER_S);
	struct tm begin = { 0 };
	int64_t us;

	localtime_r(&seconds, &begin);
	us = wall_us(begin, 0, day_us);
	return us < zero_wall_us - SECONDS_PER_DAY / 2 * US_PER_S ? wall_us(begin, 1, day_us) : us;
}

int64_t time_point_us(const struct time_point *point, int64_t zero_us, uint32_t zero_shift_s,
		      uint32_t shift_s, int64_t open_us)
{
	struct tm date = { 0 };

	switch (point->kind) {
	case TIME_POINT_TIMELINE:
		return point->us;
	case TIME_POINT_OFFSET:
		return zero_us + point->us;
	case TIME_POINT_DAY_TIME:
		return day_time_us(point->us, zero_us - zero_shift_s * US_PER_S) +
		       shift_s * US_PER_S;
	case TIME_POINT_DATE:
		date.tm_year = point->year - 1900;
		date.tm_mon = point->month - 1;
		date.tm_mday = point->day;
		return wall_us(date, 0, point->us) + shift_s * US_PER_S;
	case TIME_POINT_WALL:
		return point->us + shift_s * US_PER_S;
	default:
		return open_us;
	}
}
